/** Opening a model folder for inference: config, tokenizer, and a session over its weights where they lie. */

import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ConfigError, WeightError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import { type ExternalTensor, encodeOnnx } from "../graph/onnx/encode.ts";
import type { OptimiseOptions } from "../graph/passes/optimise.ts";
import { type ExitRule, openSession } from "../runtime/index.ts";
import type { ModelSource, Session, SessionOptions, StagedSource } from "../runtime/session.ts";
import { type DType, isFloat } from "../tensor/dtype.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { ImagePreprocessor } from "../vision/preprocess.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { assertNames } from "../weights/assert-names.ts";
import { type Checkpoint, type CheckpointEntry, openCheckpoint } from "../weights/checkpoint.ts";
import { storedDTypeOf } from "../weights/stored-dtype.ts";
import { isVariantFolder } from "../weights/variant-folder.ts";
import { type ConfigJson, readConfig } from "./config.ts";
import { exitRuleOf, isEarlyExit, notEarlyExit } from "./early-exit.ts";
import { vitOfMae } from "./mae-encoder.ts";
import type { Architecture, InputSpec, TaskName } from "./model.ts";
import { quantizationOf } from "./quantization.ts";
import { architectureFor, architectureOf } from "./registry.ts";
import { type ImageSides, SizedSessions } from "./sized-sessions.ts";
import { traceStages } from "./stages.ts";
import { graphFor, isPlain, plainTarget, type Target, targetOf } from "./target.ts";
import { storedNames, traceInference, usedGraph } from "./trace.ts";

/** The graph-only ONNX file of a model version; its weights are those of `model.safetensors`. */
export const modelFile = "model.onnx";

export interface OpenOptions extends SessionOptions {
  /** Hidden states and attention maps wanted as extra outputs: `hidden_states.0`, `attentions.3`; `true`: all. */
  readonly capture?: readonly string[] | true;
  /** Take the family's model for another task over the same weights, and of it `last_hidden_state` alone. */
  readonly as?: TaskName;
  /** Early exit: classifiers in a row that must agree, 0 for all layers. Default: the config's `pabee_patience`, or 0. */
  readonly patience?: number;
}

/** A model folder with its session. */
interface OpenFolder {
  readonly folder: string;
  readonly config: ConfigJson;
  readonly architecture: Architecture;
  readonly session: Session;
}

/** A model that answers to texts. */
export interface OpenModel extends OpenFolder {
  readonly tokenizer: Tokenizer;
}

/** A model that answers to pictures. */
export interface OpenImageModel extends OpenFolder {
  readonly preprocessor: ImagePreprocessor;
  /** The same model for pictures of other sizes. */
  readonly otherSizes: SizedSessions;
}

/** How a session is opened: in a thread of its own, or in the calling one. */
export type SessionOpener = (source: ModelSource | StagedSource, options: SessionOptions) => Promise<Session>;

/**
 * Opens a folder of a model that reads texts. `model.onnx` is used where it is there, nothing is captured and no text may
 * exit early; otherwise the graph is traced from `config.json`. Weights are mapped into memory, never copied by us.
 * @throws ConfigError or WeightError when the folder is incomplete, damaged or of an unknown architecture.
 */
export const openModel = (
  folder: string,
  options: OpenOptions = {},
  open: SessionOpener = openSession,
): Promise<OpenModel> =>
  openFolder(folder, options, open, async () => ({ tokenizer: await loadTokenizer(folder) }));

/** The same of a model that reads pictures, whose folder has a `preprocessor_config.json`. */
export const openImageModel = (
  folder: string,
  options: OpenOptions = {},
  open: SessionOpener = openSession,
): Promise<OpenImageModel> =>
  openFolder(folder, options, open, async () => ({
    preprocessor: new ImagePreprocessor(await readPreprocessor(folder)),
    otherSizes: new SizedSessions((imageSize) => openAtSize(folder, imageSize, options, open)),
  }));

/** @throws ConfigError for a size that the model cannot read, and for a variant, whose graph is of one size. */
async function openAtSize(
  folder: string,
  imageSize: ImageSides,
  { capture, as, patience: _, ...given }: OpenOptions,
  open: SessionOpener,
): Promise<Session> {
  if (isVariantFolder(folder)) {
    throw new ConfigError(
      `${folder}: a variant reads pictures of one size; leave out the image size, or ask the model that it is made of`,
      { code: "unsupported" },
    );
  }
  const { target, settled } = await targetOf(given);
  const source = await encodeModel(folder, { capture, target, imageSize, ...(as && { as }) });
  return open({ ...source, name: folder }, settled);
}

/** `read` reads the folder's other files while the session opens. */
async function openFolder<Files>(
  folder: string,
  options: OpenOptions,
  open: SessionOpener,
  read: () => Promise<Files>,
): Promise<OpenFolder & Files> {
  const { capture, as, patience, ...given } = options;
  const { target, settled: sessionOptions } = await targetOf(given);
  const config = await readConfig(folder);
  const architecture = architectureAs(config, folder, as);
  const exit = exitRuleOf(architecture, config, patience);
  const hasFile = !capture && !as && isPlain(target) && existsSync(join(folder, modelFile));
  const whole = async (): Promise<ModelSource> =>
    hasFile
      ? { path: join(folder, modelFile) }
      : { ...(await encodeModel(folder, { capture, target, ...(as && { as }) })), name: folder };
  const source = exit && !capture ? await encodeStages(folder, exit, target) : await whole();
  const opening = open(source, sessionOptions); // in its thread, while this one reads the other files
  try {
    const files = await read();
    return { folder, config, architecture, ...files, session: await opening };
  } catch (error) {
    await opening.then(
      (session) => session.release(),
      () => undefined,
    );
    throw error;
  }
}

/** A serialised model and the folder its external weights lie in. */
export interface EncodedModel {
  readonly bytes: Uint8Array;
  readonly weightsFolder: string;
}

interface EncodeOptions extends Pick<OpenOptions, "capture" | "as"> {
  readonly target?: Target;
  /** Of the pictures; default: the config's. */
  readonly imageSize?: ImageSides;
}

/** The ONNX model of a folder's checkpoint: a graph whose weights are external data in its safetensors files. */
export async function encodeModel(
  folder: string,
  { capture = [], as, target, imageSize }: EncodeOptions = {},
): Promise<EncodedModel> {
  const config = await readConfig(folder);
  const architecture = architectureAs(config, folder, as);
  const model = architecture.build(config);
  const names = storedNames(architecture, model);
  const specs = atSize(
    architecture.inputs(config).filter(({ isLabel }) => !isLabel),
    imageSize,
  );
  const graph = traceInference(model, names, specs, { capture });
  const { last_hidden_state } = graph.outputs;
  const wanted = as && last_hidden_state ? usedGraph({ last_hidden_state }, graph.inputs, names) : graph;
  return encodeGraph(folder, architecture, wanted, { target });
}

/** Inputs whose pictures have another size. */
const atSize = (specs: readonly InputSpec[], imageSize: ImageSides | undefined): readonly InputSpec[] =>
  imageSize
    ? specs.map((spec) =>
        spec.name === "pixel_values" ? { ...spec, axes: [...spec.axes.slice(0, 2), ...imageSize] } : spec,
      )
    : specs;

/** The config's own architecture, or its family's for another task; a pretrained MAE is a ViT then. */
const architectureAs = (config: ConfigJson, where: string, as: TaskName | undefined): Architecture =>
  as ? architectureFor(String(vitOfMae(config).model_type), as) : architectureOf(config, where);

/** A classifier's stages over the weights of a folder's checkpoint. @throws ConfigError when it cannot exit early. */
export async function encodeStages(
  folder: string,
  exit: ExitRule,
  target: Target = plainTarget,
): Promise<StagedSource> {
  const config = await readConfig(folder);
  const architecture = architectureOf(config, folder);
  const model = architecture.build(config);
  if (!isEarlyExit(model)) throw notEarlyExit(architecture);
  const specs = architecture.inputs(config).filter(({ isLabel }) => !isLabel);
  const graphs = traceStages(model, storedNames(architecture, model), specs, exit.patience);
  const stages = graphs.map((graph) => encodeGraph(folder, architecture, graph, { target }));
  return { stages: await Promise.all(stages), exit, name: folder };
}

export interface EncodeGraphOptions extends Pick<OptimiseOptions, "hasSwitches"> {
  /** Weights in integers; default: those that the folder's config names. */
  readonly quantize?: OptimiseOptions["quantize"];
  /** Default `plainTarget`. */
  readonly target?: Target | undefined;
}

/**
 * A graph over the weights of a folder's checkpoint, integers where its config says so. Where its files are links, as
 * in the hub's cache, the model points at their targets, since ORT follows none out of a folder.
 * @throws WeightError when the checkpoint lacks a weight or has it in another shape.
 */
export async function encodeGraph(
  folder: string,
  architecture: Architecture,
  graph: Graph,
  { target = plainTarget, ...options }: EncodeGraphOptions = {},
): Promise<EncodedModel> {
  const quantize = options.quantize ?? quantizationOf(await readConfig(folder), folder);
  const checkpoint = await openCheckpoint(folder);
  try {
    const entries = matchCheckpoint(architecture, checkpoint);
    if (!quantize) assertWeights(folder, graph, entries); // before the passes: a damaged config may ask for a huge graph
    const wanted = graphFor(graph, target, { ...options, quantize });
    if (quantize) assertWeights(folder, wanted, entries);
    const nodes = new Map([...wanted.parameters].map(([node, name]) => [name, node]));
    const targets = await linkTargets(folder, entries);
    const weights = (name: string): ExternalTensor => {
      const entry = entries.get(name)!;
      return externalTensor(
        { ...entry, file: basename(targets.get(entry.file)!) },
        name,
        nodes.get(name)!.dtype,
      );
    };
    const [weightsFolder = folder] = [...targets.values()].map((path) => dirname(path));
    return { bytes: encodeOnnx(wanted, { weights }), weightsFolder };
  } finally {
    await checkpoint.close();
  }
}

/** Where each weights file really is, by its name in the folder. */
async function linkTargets(
  folder: string,
  entries: ReadonlyMap<string, MatchedEntry>,
): Promise<Map<string, string>> {
  const files = new Set([...entries.values()].map(({ file }) => file));
  const targets = new Map<string, string>();
  for (const file of files) targets.set(file, await realpath(join(folder, file)));
  return targets;
}

/** A tensor of a checkpoint with its name there. */
export interface MatchedEntry extends CheckpointEntry {
  readonly storedName: string;
}

/**
 * A checkpoint's tensors under the names of an architecture. A checkpoint of the bare encoder lacks the prefix that a
 * model with a head has, and the other way round.
 */
export function matchCheckpoint(
  { names, basePrefix }: Architecture,
  { entries }: Checkpoint,
): Map<string, MatchedEntry> {
  const fits = (rename: (name: string) => string): number =>
    [...entries.keys()].filter((name) => canRead(names.fromHub.bind(names), rename(name))).length;
  const variants = [
    (name: string) => name,
    (name: string) => basePrefix + name,
    (name: string) => (name.startsWith(basePrefix) ? name.slice(basePrefix.length) : name),
  ];
  const [best] = variants
    .map((rename) => ({ rename, count: fits(rename) }))
    .sort((a, b) => b.count - a.count);
  return new Map(
    [...entries].map(([name, entry]) => [canonical(best!.rename(name)), { ...entry, storedName: name }]),
  );
}

/** `LayerNorm.gamma` and `.beta` of old checkpoints as `weight` and `bias`. */
const canonical = (name: string): string =>
  name.replace(/LayerNorm\.gamma$/, "LayerNorm.weight").replace(/LayerNorm\.beta$/, "LayerNorm.bias");

function canRead(read: (name: string) => string, name: string): boolean {
  try {
    read(name);
    return true;
  } catch (error) {
    if (error instanceof WeightError) return false;
    throw error;
  }
}

/** @throws WeightError when the checkpoint lacks a parameter of the graph or has it in another shape. */
function assertWeights(
  folder: string,
  { parameters }: Graph,
  entries: ReadonlyMap<string, CheckpointEntry>,
): void {
  const shapes = new Map([...parameters].map(([{ shape }, name]) => [name, { shape: shape as number[] }]));
  assertNames(folder, shapes, entries, { ignoreUnexpected: [/./] });
}

const storedDTypes: Readonly<Record<string, DType | "bfloat16">> = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I8: "int8",
  U8: "uint8",
};

/** @throws WeightError when the stored type is not one that ONNX Runtime reads as a parameter of `wanted`. */
function externalTensor(
  { file, offset, sizeBytes, dtype, shape }: CheckpointEntry,
  name: string,
  wanted: DType,
): ExternalTensor {
  const stored = storedDTypes[dtype];
  if (!stored || (stored !== wanted && !(isFloat(wanted) && dtype.includes("F")))) {
    const expected = isFloat(wanted) ? "F32, F16, BF16 or F64" : storedDTypeOf(wanted);
    throw new WeightError(`${name}: is stored as ${dtype}; expected ${expected}`);
  }
  return { file, offset, sizeBytes, dtype: stored, shape };
}
