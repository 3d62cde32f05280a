/**
 * One training step, compiled: forward, loss and gradients are one ONNX graph whose parameters are inputs and whose
 * gradients are written straight into the optimizer's vector; clipping and AdamW follow in place.
 * Everything here runs in the calling thread and blocks it; `step-worker.ts` gives it a thread of its own.
 */

import { LRUCache } from "lru-cache";
import { ConfigError } from "../errors.ts";
import { input, type Node } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { optimise } from "../graph/passes/optimise.ts";
import type { ConfigJson } from "../models/config.ts";
import type { Architecture, Model } from "../models/model.ts";
import { declareInputs, gradientOutputs, storedNames, type TracedGraph, usedGraph } from "../models/trace.ts";
import { Context } from "../nn/context.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { deriveKey } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { CachedContrastive } from "./cached-contrastive.ts";
import { type Distillation, distillationLoss } from "./distillation.ts";
import { AdamW, type AdamWOptions, clipFactor } from "./optimizer.ts";
import { TrainingParameters } from "./parameters.ts";
import { WeightAverage } from "./weight-average.ts";

/** Inputs and labels of one batch by name. */
export type Batch = Readonly<Record<string, Tensor>>;

export interface StepOptions extends AdamWOptions {
  /** Decay of matrices per step, relative to the learning rate; default 0.01. */
  readonly weightDecay?: number;
  /** Largest norm of the whole gradient; default 1, Infinity for none. */
  readonly maxGradNorm?: number;
  /** Below 1: factor of the learning rate from each layer to the one before it; default 1. */
  readonly layerDecay?: number;
  /** Whether only what lies outside the bare encoder is trained; default false. */
  readonly freezeEncoder?: boolean;
  /** Decay of a moving average of the weights, by which models are evaluated and saved; default: no average. */
  readonly emaDecay?: number;
  /** Batches bring what a teacher gave for them, and the loss is this objective; default: the model's own loss. */
  readonly distillation?: Distillation;
  /** Contrastive models: pairs that are encoded at once; default: all of the batch, in one graph. */
  readonly microBatch?: number;
  /** Seeds first values and dropout; default 0. */
  readonly seed?: number;
  /** Threads of ONNX Runtime; default all. */
  readonly threads?: number;
}

export interface StepResult {
  /** Mean loss over the batches of the step. */
  readonly loss: number;
  /** Norm of the gradient before clipping. */
  readonly gradNorm: number;
  /** True when the loss or the gradient was not finite, so that nothing was changed. */
  readonly isSkipped: boolean;
}

/** Batch shapes whose compiled graphs are kept. */
const keptGraphs = 24;
const seedInput = "tesserae.seed";
/** Before the name of a buffer, or of a weight that is kept within bounds: its value after the pass. */
const movedPrefix = "moved.";

/** A model with its optimizer's state. */
export class TrainStep {
  readonly state: TrainingParameters;
  private readonly sessions: LRUCache<string, Promise<OrtSession>>;
  /** Sum over accumulated batches; made when first needed. */
  private accumulated: Float32Array | undefined;
  /** Names of running statistics. */
  private readonly moving = new Set<string>();

  private constructor(
    private readonly model: Model,
    private readonly names: ReadonlyMap<Node, string>,
    private readonly optimizer: AdamW,
    private readonly average: WeightAverage | undefined,
    private readonly cached: CachedContrastive | undefined,
    private readonly options: StepOptions & { readonly isFrozen: ((name: string) => boolean) | undefined },
  ) {
    const { weightDecay = 0.01, seed = 0, layerDecay, isFrozen } = options;
    this.state = new TrainingParameters([...names], { weightDecay, seed, layerDecay, isFrozen });
    this.sessions = new LRUCache({
      max: keptGraphs,
      dispose: (session) => void session.then((open) => open.release()),
    });
  }

  static async open(
    architecture: Architecture,
    config: ConfigJson,
    options: StepOptions = {},
  ): Promise<TrainStep> {
    const { threads, emaDecay, freezeEncoder, microBatch } = options;
    const model = architecture.build(config);
    const isFrozen = freezeEncoder ? isInEncoder(architecture) : undefined;
    const optimizer = await AdamW.open(options, threads);
    const average = emaDecay === undefined ? undefined : await WeightAverage.open(emaDecay, threads);
    const names = storedNames(architecture, model);
    const cached = microBatch
      ? new CachedContrastive(architecture, config, { chunkSize: microBatch, threads })
      : undefined;
    return new TrainStep(model, names, optimizer, average, cached, { ...options, isFrozen });
  }

  /**
   * One update from the mean gradient of `batches`. `step` counts updates from 1 and decides, with the seed, what
   * dropout drops.
   */
  async run(batches: readonly Batch[], step: number, learningRate: number): Promise<StepResult> {
    const buffers = new Map(this.state.buffers);
    let loss = 0;
    for (const [at, batch] of batches.entries()) {
      loss += (await this.gradients(batch, deriveKey(this.options.seed ?? 0, step, at))) / batches.length;
      if (batches.length > 1) await this.accumulate(at, batches.length);
    }
    const gradNorm = (await this.optimizer.norm(this.state.gradients)) / batches.length;
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
      for (const [name, tensor] of buffers) this.state.buffers.set(name, tensor);
      return { loss, gradNorm, isSkipped: true };
    }
    const gradientScale = clipFactor(gradNorm, this.options.maxGradNorm ?? 1) / batches.length;
    await this.optimizer.step(this.state, this.state.groups, { learningRate, gradientScale, step });
    await this.average?.update(this.state, step, this.moving);
    return { loss, gradNorm, isSkipped: false };
  }

  /** Writes the gradients of one batch into the state's vector, moves buffers on, and returns the loss. */
  private async gradients(batch: Batch, key: number): Promise<number> {
    if (this.cached) return this.cachedGradients(this.cached, batch, key);
    const session = await this.session(batch, true);
    const loss = Tensor.zeros("float32", []);
    const targets: Record<string, Tensor> = { loss };
    for (const name of this.state.spans.keys())
      targets[`grad.${name}`] = this.state.view(name, this.state.gradients);
    const moved = new Map<string, Tensor>();
    for (const { name } of session.outputs.filter(({ name }) => name.startsWith(movedPrefix))) {
      const { dtype, shape } = this.state.value(name.slice(movedPrefix.length));
      targets[name] = Tensor.zeros(dtype, shape);
      moved.set(name.slice(movedPrefix.length), targets[name]);
      if (this.state.buffers.has(name.slice(movedPrefix.length)))
        this.moving.add(name.slice(movedPrefix.length));
    }
    await session.run(
      this.feeds(session, { ...batch, [seedInput]: Tensor.from("uint32", [], [key]) }),
      targets,
    );
    for (const [name, tensor] of moved) this.state.set(name, tensor);
    return Number(loss.data[0]);
  }

  /** The same, the batch being encoded in chunks. */
  private async cachedGradients(cached: CachedContrastive, batch: Batch, key: number): Promise<number> {
    const { loss, gradients, moved } = await cached.gradients(batch, (name) => this.state.value(name), key);
    for (const [name, { start }] of this.state.spans)
      this.state.gradients.set(gradients.get(name)!.data as Float32Array, start);
    for (const [name, tensor] of moved) this.state.set(name, tensor);
    return loss;
  }

  /** Adds this batch's gradients to those before it; after the last one the sum is in the state's vector. */
  private async accumulate(at: number, count: number): Promise<void> {
    const { gradients } = this.state;
    this.accumulated ??= new Float32Array(gradients.length);
    if (at === 0) this.accumulated.set(gradients);
    else if (at === count - 1) await this.optimizer.accumulate(gradients, this.accumulated);
    else await this.optimizer.accumulate(this.accumulated, gradients);
  }

  /** Outputs of the model, of its average where there is one, in inference, with `loss` where the batch has labels; all of them unless named. */
  async evaluate(batch: Batch, wanted?: readonly string[]): Promise<Record<string, Tensor>> {
    const session = await this.session(batch, false);
    const outputs = wanted && session.outputs.map(({ name }) => name).filter((name) => wanted.includes(name));
    return session.run(
      this.feeds(session, batch, (name) => this.state.averaged(name)),
      outputs,
    );
  }

  private feeds(
    session: OrtSession,
    batch: Batch,
    weight = (name: string): Tensor => this.state.value(name),
  ): Record<string, Tensor> {
    return Object.fromEntries(session.inputs.map(({ name }) => [name, batch[name] ?? weight(name)]));
  }

  /** The compiled graph for this batch's shapes. */
  private session(batch: Batch, isTraining: boolean): Promise<OrtSession> {
    const key = `${isTraining} ${Object.entries(batch).map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape}]`)}`;
    const known = this.sessions.get(key);
    if (known) return known;
    const bytes = encodeOnnx(optimise(this.trace(batch, isTraining)));
    const opened = OrtSession.open(
      { bytes, name: isTraining ? "training step" : "evaluation" },
      { arena: false, threads: this.options.threads, inPlaceOutputs: isTraining },
    );
    this.sessions.set(key, opened);
    return opened;
  }

  private trace(batch: Batch, isTraining: boolean): TracedGraph {
    const specs = Object.entries(batch).map(([name, { dtype, shape }]) => ({ name, dtype, axes: shape }));
    const inputs = declareInputs(specs);
    if (!isTraining)
      return usedGraph(this.model.forward(Context.inference(), inputs), Object.values(inputs), this.names);
    const seed = input(seedInput, "uint32", []);
    const ctx = Context.training(seed);
    const outputs = this.model.forward(ctx, inputs);
    const { distillation } = this.options;
    const loss = distillation
      ? distillationLoss({ outputs, captured: ctx.captured, inputs }, distillation)
      : outputs.loss!;
    const moved = [...ctx.updates].map(
      ([node, value]) => [movedPrefix + this.names.get(node)!, value] as const,
    );
    const trained = new Map([...this.names].filter(([, name]) => this.state.spans.has(name)));
    const wanted = { loss, ...gradientOutputs(loss, trained), ...Object.fromEntries(moved) };
    return usedGraph(wanted, [...Object.values(inputs), seed], this.names);
  }

  async release(): Promise<void> {
    const sessions = await Promise.all([...this.sessions.values()]);
    await Promise.all([
      this.optimizer.release(),
      this.average?.release(),
      this.cached?.release(),
      ...sessions.map((session) => session.release()),
    ]);
  }
}

/** @throws ConfigError for a model whose names do not tell its encoder from its head. */
function isInEncoder({ name: architecture, basePrefix }: Architecture): (name: string) => boolean {
  if (basePrefix !== "") return (name) => name.startsWith(basePrefix);
  throw new ConfigError(
    `freezeEncoder: ${architecture} does not tell its encoder from its head; train all of it`,
    { code: "unsupported" },
  );
}
