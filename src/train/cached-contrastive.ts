/**
 * The contrastive loss over a batch that no single step holds, with exactly its gradient. Gao et al. 2021 (GradCache),
 * https://arxiv.org/abs/2101.06983
 * A first pass makes the features of all pairs, chunk by chunk; the loss gives each feature's gradient; a second pass
 * takes these through the encoders, chunk by chunk again. Dropout repeats, as it follows from the chunk's key.
 * N pairs, C pairs of a chunk, P features.
 */

import { ConfigError } from "../errors.ts";
import { grad } from "../graph/grad.ts";
import { input, type Node } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { add, mul, sum } from "../graph/ops/core.ts";
import { optimise } from "../graph/passes/optimise.ts";
import { type ContrastiveModel, isContrastive } from "../models/clip.ts";
import type { ConfigJson } from "../models/config.ts";
import type { Architecture, Inputs, Outputs } from "../models/model.ts";
import { declareInputs, gradientOutputs, storedNames, usedGraph } from "../models/trace.ts";
import { Context } from "../nn/context.ts";
import { parametersOf } from "../nn/module.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { deriveKey } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Tensors by name, each with the pairs as its first axis. */
export type Pairs = Readonly<Record<string, Tensor>>;

export interface ContrastiveGradients {
  readonly loss: number;
  /** Of every trained weight, by its stored name. */
  readonly gradients: ReadonlyMap<string, Tensor>;
  /** New values of the weights that a step moves back into their bounds. */
  readonly moved: ReadonlyMap<string, Tensor>;
}

export interface CachedContrastiveOptions {
  /** Pairs that are encoded at once, C. */
  readonly chunkSize: number;
  /** Threads of ONNX Runtime; default all. */
  readonly threads?: number;
}

/** Values of the weights by stored name. */
type Weights = (name: string) => Tensor;

const seedInput = "tesserae.seed";
/** Before a feature's name: the gradient of the loss with respect to it. */
const cotangent = "cotangent.";

export class CachedContrastive {
  private readonly model: ContrastiveModel;
  private readonly names: ReadonlyMap<Node, string>;
  private readonly sessions = new Map<string, Promise<OrtSession>>();

  /** @throws ConfigError when the model has losses beside the contrastive one, or for chunks of no pair. */
  constructor(
    architecture: Architecture,
    config: ConfigJson,
    private readonly options: CachedContrastiveOptions,
  ) {
    if (!Number.isInteger(options.chunkSize) || options.chunkSize < 1) {
      throw new ConfigError(`contrastive batch: chunkSize must be 1 or more, got ${options.chunkSize}`);
    }
    const model = architecture.build(config);
    if (!isContrastive(model)) {
      throw new ConfigError(
        `contrastive batch: ${architecture.name} does not learn from a contrastive loss alone; train CLIP`,
      );
    }
    this.model = model;
    this.names = storedNames(architecture, model);
  }

  /** Loss and gradients of all pairs as one batch. `key` decides what dropout drops. */
  async gradients(pairs: Pairs, weights: Weights, key: number): Promise<ContrastiveGradients> {
    const chunks = chunksOf(pairs, this.options.chunkSize).map((chunk, at) => ({
      ...chunk,
      [seedInput]: Tensor.from("uint32", [], [deriveKey(key, at)]),
    }));
    const parts: Pairs[] = [];
    for (const chunk of chunks) parts.push(await this.run(chunk, weights, this.features));
    const features = { images: joinRows(parts, "images"), texts: joinRows(parts, "texts") };
    const { loss, ...outputs } = await this.run(features, weights, this.loss);
    const gradients = new Map<string, Tensor>();
    accumulate(gradients, outputs);
    const cotangents = chunksOf(tensorsBehind(cotangent, outputs), this.options.chunkSize);
    for (const [at, chunk] of chunks.entries()) {
      const feeds = { ...chunk, ...prefixed(cotangent, cotangents[at]!) };
      accumulate(gradients, await this.run(feeds, weights, this.chunkGradients));
    }
    const moved = new Map(Object.entries(tensorsBehind("moved.", outputs)));
    return { loss: Number(loss!.data[0]), gradients, moved };
  }

  async release(): Promise<void> {
    const sessions = await Promise.all(this.sessions.values());
    await Promise.all(sessions.map((session) => session.release()));
  }

  /** `images` and `texts` [C, P]. */
  private readonly features = (ctx: Context, inputs: Inputs): Outputs => ({
    ...this.model.features(ctx, inputs),
  });

  /** `loss` of features [N, P], their `cotangent.*`, and `grad.*` and `moved.*` of the weights of the scores. */
  private readonly loss = (ctx: Context, { images, texts }: Inputs): Outputs => {
    const loss = this.model.scores.loss(ctx, { images: images!, texts: texts! });
    const [dImages, dTexts] = grad(loss, [images!, texts!]) as [Node, Node];
    const own = parametersOf(this.model.scores);
    const ownNames = new Map([...this.names].filter(([node]) => own.has(node)));
    const moved = [...ctx.updates].map(([node, value]) => [`moved.${this.names.get(node)}`, value]);
    return {
      loss,
      [`${cotangent}images`]: dImages,
      [`${cotangent}texts`]: dTexts,
      ...gradientOutputs(loss, ownNames),
      ...Object.fromEntries(moved),
    };
  };

  /** `grad.*` of the encoders' weights: what their features' cotangents become on the way back. */
  private readonly chunkGradients = (ctx: Context, inputs: Inputs): Outputs => {
    const { images, texts } = this.model.features(ctx, inputs);
    const weighed = (features: Node, name: string): Node => sum(mul(features, inputs[cotangent + name]!));
    const own = parametersOf(this.model.scores);
    const encoderNames = new Map([...this.names].filter(([node]) => !own.has(node)));
    return gradientOutputs(add(weighed(images, "images"), weighed(texts, "texts")), encoderNames);
  };

  /** Runs what `describe` makes of inputs of these shapes. */
  private async run(
    feeds: Pairs,
    weights: Weights,
    describe: (ctx: Context, inputs: Inputs) => Outputs,
  ): Promise<Record<string, Tensor>> {
    const key = Object.entries(feeds).map(([name, { shape }]) => `${name}[${shape}]`);
    if (!this.sessions.has(key.join())) this.sessions.set(key.join(), this.compile(feeds, describe));
    const session = await this.sessions.get(key.join())!;
    return session.run(
      Object.fromEntries(session.inputs.map(({ name }) => [name, feeds[name] ?? weights(name)])),
    );
  }

  private compile(feeds: Pairs, describe: (ctx: Context, inputs: Inputs) => Outputs): Promise<OrtSession> {
    const specs = Object.entries(feeds).filter(([name]) => name !== seedInput);
    const inputs = declareInputs(specs.map(([name, { dtype, shape }]) => ({ name, dtype, axes: shape })));
    const seed = input(seedInput, "uint32", []);
    const outputs = describe(Context.training(seed), inputs);
    const graph = usedGraph(outputs, [...Object.values(inputs), seed], this.names);
    return OrtSession.open(
      { bytes: encodeOnnx(optimise(graph)), name: "contrastive batch" },
      { arena: false, threads: this.options.threads },
    );
  }
}

/** Tensors cut along their first axis into pieces of `size` and a last one of what is left. */
function chunksOf(pairs: Pairs, size: number): Pairs[] {
  const [first] = Object.values(pairs);
  const count = first?.shape[0] ?? 0;
  return Array.from({ length: Math.ceil(count / size) }, (_, at) =>
    Object.fromEntries(
      Object.entries(pairs).map(([name, tensor]) => [name, rowsOf(tensor, at * size, (at + 1) * size)]),
    ),
  );
}

function rowsOf({ dtype, shape, data }: Tensor, first: number, end: number): Tensor {
  const [count, ...others] = shape as [number, ...number[]];
  const width = data.length / count;
  const last = Math.min(end, count);
  return new Tensor(dtype, [last - first, ...others], data.subarray(first * width, last * width));
}

function joinRows(parts: readonly Pairs[], name: string): Tensor {
  const tensors = parts.map((part) => part[name]!);
  const [count, width] = [tensors.reduce((sum, { shape }) => sum + shape[0]!, 0), tensors[0]!.shape[1]!];
  const data = new Float32Array(count * width);
  let at = 0;
  for (const tensor of tensors) {
    data.set(tensor.data as Float32Array, at);
    at += tensor.size;
  }
  return new Tensor("float32", [count, width], data);
}

const prefixed = (prefix: string, tensors: Pairs): Pairs =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [prefix + name, tensor]));

/** The outputs whose names begin with `prefix`, without it. */
const tensorsBehind = (prefix: string, outputs: Pairs): Pairs =>
  Object.fromEntries(
    Object.entries(outputs).flatMap(([name, tensor]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [],
    ),
  );

/** Adds the gradients among some outputs to those of the same names. */
function accumulate(total: Map<string, Tensor>, outputs: Pairs): void {
  for (const [name, tensor] of Object.entries(tensorsBehind("grad.", outputs))) {
    const sums = total.get(name)?.data as Float32Array | undefined;
    if (!sums) total.set(name, tensor);
    else for (let i = 0; i < sums.length; i++) sums[i]! += (tensor.data as Float32Array)[i]!;
  }
}
