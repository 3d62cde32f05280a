/** What the thread of a training run answers: it holds the model, the optimizer's state and the compiled graphs. */

import { join } from "node:path";
import { type ConfigJson, readConfig } from "../models/config.ts";
import type { Architecture } from "../models/model.ts";
import { matchCheckpoint } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { numberToFloat16, Tensor } from "../tensor/tensor.ts";
import { assertNames } from "../weights/assert-names.ts";
import { openCheckpoint, weightsFile } from "../weights/checkpoint.ts";
import { readSafetensors, writeSafetensors } from "../weights/safetensors.ts";
import { fitPositions, isPictureTable } from "./fit-positions.ts";
import type { TrainingParameters } from "./parameters.ts";
import { type Batch, type StepOptions, type StepResult, TrainStep } from "./step.ts";
import type { AveragedWeights } from "./weight-average.ts";

/** File of the optimizer's moments in a training checkpoint. */
export const optimizerFile = "optimizer.safetensors";

/** How a model's weights are stored: half precision halves the file and is widened when the model is opened. */
export type StoredWeights = "float32" | "float16";

/** What the thread starts from. */
export interface StepInit {
  readonly config: ConfigJson;
  readonly options: StepOptions;
  /** A checkpoint to start from; a head it lacks is drawn anew. */
  readonly weightsFolder?: string | undefined;
}

export interface StepApi {
  /** Names of parameters that were drawn because the initial checkpoint lacks them. */
  drawn(): readonly string[];
  parameterCount(): number;
  step(batches: readonly Batch[], step: number, learningRate: number): Promise<StepResult>;
  evaluate(batch: Batch, outputs?: readonly string[]): Promise<Record<string, Tensor>>;
  /** Writes the weights alone, stored in a dtype. */
  saveModel(folder: string, dtype: StoredWeights): Promise<void>;
  /** Writes weights and the optimizer's moments. */
  saveState(folder: string): Promise<void>;
  /** Reads what `saveState` wrote. */
  loadState(folder: string): Promise<void>;
}

/** The methods of the thread over one step; also used directly where a thread of its own is not wanted. */
export async function createStepApi({ config, options, weightsFolder }: StepInit): Promise<StepApi> {
  const architecture = architectureOf(config);
  const step = await TrainStep.open(architecture, config, options);
  const drawn = weightsFolder
    ? await loadInitial(step, architecture, weightsFolder, config)
    : [...step.state.shapes.keys()];
  return {
    drawn: () => drawn,
    parameterCount: () => step.state.parameters.length,
    step: (batches, number, learningRate) => step.run(batches, number, learningRate),
    evaluate: (batch, outputs) => step.evaluate(batch, outputs),
    saveModel: (folder, dtype) => saveModel(step, folder, dtype),
    saveState: (folder) => saveState(step, folder),
    loadState: (folder) => loadState(step, folder),
  };
}

async function loadInitial(
  step: TrainStep,
  architecture: Architecture,
  folder: string,
  config: ConfigJson,
): Promise<readonly string[]> {
  const checkpoint = await openCheckpoint(folder);
  try {
    const entries = matchCheckpoint(architecture, checkpoint);
    const { shapes } = step.state;
    const resampled = [...shapes.keys()].filter((name) => {
      const entry = entries.get(name);
      return entry && isPictureTable(config, name) && entry.shape[1] !== shapes.get(name)!.shape[1];
    });
    for (const name of resampled)
      entries.set(name, { ...entries.get(name)!, shape: [...shapes.get(name)!.shape] });
    const isHead = new RegExp(`^(?!${architecture.basePrefix.replaceAll(".", "\\.")})`);
    const { missing } = assertNames(folder, step.state.shapes, entries, {
      allowMissing: [isHead, /\.pooler\./, /^head\./, /num_batches_tracked$/],
      ignoreUnexpected: [/./],
    });
    for (const name of step.state.shapes.keys()) {
      if (missing.includes(name)) continue;
      const value = await checkpoint.read(entries.get(name)!.storedName);
      const isResampled = resampled.includes(name);
      step.state.set(name, isResampled ? await fitPositions(value, await readConfig(folder), config) : value);
    }
    const copies = missing.filter((name) => step.state.copies.has(name));
    for (const name of copies) step.state.set(name, copyOf(step.state.value(step.state.copies.get(name)!)));
    return missing.filter((name) => !copies.includes(name));
  } finally {
    await checkpoint.close();
  }
}

const copyOf = ({ dtype, shape, data }: Tensor): Tensor => new Tensor(dtype, shape, data.slice());

async function saveModel({ state }: TrainStep, folder: string, dtype: StoredWeights): Promise<void> {
  const tensors = [...state.shapes.keys()].map((name) => [name, state.averaged(name)] as const);
  const weights = tensors.map(
    ([name, tensor]) => [name, dtype === "float16" ? toFloat16(tensor) : tensor] as const,
  );
  await writeSafetensors(join(folder, weightsFile), weights, { format: "pt" });
}

function toFloat16(tensor: Tensor): Tensor {
  const { dtype, shape, data } = tensor;
  if (dtype !== "float32") return tensor;
  return new Tensor("float16", shape, Uint16Array.from(data as Float32Array, numberToFloat16));
}

async function saveState(step: TrainStep, folder: string): Promise<void> {
  const { state } = step;
  const weights = [...Object.entries(state.views(state.parameters)), ...state.buffers];
  await writeSafetensors(join(folder, weightsFile), weights, { format: "pt" });
  const moments = [
    ...prefixed("first.", state.views(state.firstMoment)),
    ...prefixed("second.", state.views(state.secondMoment)),
  ];
  const averages = state.average ? [...state.shapes.keys()] : [];
  const averaged = averages.map((name) => [`average.${name}`, state.averaged(name)] as const);
  await writeSafetensors(join(folder, optimizerFile), [...moments, ...averaged]);
}

const prefixed = (prefix: string, tensors: Record<string, Tensor>): [string, Tensor][] =>
  Object.entries(tensors).map(([name, tensor]) => [prefix + name, tensor]);

async function loadState({ state }: TrainStep, folder: string): Promise<void> {
  const weights = await readSafetensors(join(folder, weightsFile));
  const moments = await readSafetensors(join(folder, optimizerFile));
  assertNames(folder, state.shapes, weights);
  for (const name of state.shapes.keys()) state.set(name, weights.get(name)!);
  state.average = averageIn(moments, state);
  for (const name of state.spans.keys()) {
    const { start } = state.spans.get(name)!;
    state.firstMoment.set(moments.get(`first.${name}`)!.data as Float32Array, start);
    state.secondMoment.set(moments.get(`second.${name}`)!.data as Float32Array, start);
  }
}

/** The average that `saveState` wrote; undefined where the run keeps none. */
function averageIn(
  stored: ReadonlyMap<string, Tensor>,
  { spans, buffers, parameters }: TrainingParameters,
): AveragedWeights | undefined {
  const read = (name: string): Tensor | undefined => stored.get(`average.${name}`);
  const [first] = [...spans.keys()];
  if (first === undefined || !read(first)) return undefined;
  const average = new Float32Array(parameters.length);
  for (const [name, { start }] of spans) average.set(read(name)!.data as Float32Array, start);
  return { parameters: average, buffers: new Map([...buffers.keys()].map((name) => [name, read(name)!])) };
}
