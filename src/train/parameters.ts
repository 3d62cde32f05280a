/** Parameters, gradients and moments as flat vectors, with a view of each parameter's part. */

import { type Node, parameterAttrs } from "../graph/node.ts";
import { initialValue } from "../nn/module.ts";
import { sizeOf, Tensor } from "../tensor/tensor.ts";
import { layerFactors } from "./layer-rates.ts";
import type { OptimizerState, ParameterGroup } from "./optimizer.ts";
import type { AveragedWeights } from "./weight-average.ts";

type Named = readonly [Node, string];

const isDecayed = (node: Node): boolean => node.rank >= 2;

type RateOf = (named: Named) => number;

/** Parameters by decay and learning rate, the decayed ones first. */
function alike(nodes: readonly Named[], rateOf: RateOf): Named[][] {
  const groups = new Map<string, Named[]>();
  const decayedFirst = [...nodes].sort(([a], [b]) => Number(isDecayed(b)) - Number(isDecayed(a)));
  for (const named of decayedFirst) {
    const key = `${isDecayed(named[0])} ${rateOf(named)}`;
    groups.set(key, [...(groups.get(key) ?? []), named]);
  }
  return [...groups.values()];
}

/** A parameter's own factor of the learning rate times that of its layer. */
function rates(nodes: readonly Named[], layerDecay: number): RateOf {
  const names = nodes.map(([, name]) => name);
  const factors = layerFactors(names, layerDecay);
  return ([node, name]) => parameterAttrs(node).rateFactor * factors.get(name)!;
}

export interface ParameterOptions {
  /** Decay of matrices. */
  readonly weightDecay: number;
  /** Seeds first values. */
  readonly seed: number;
  /** Factor of the learning rate from layer to layer downwards; default 1. */
  readonly layerDecay?: number | undefined;
  /** Whether a parameter stays as it is; default: none does. */
  readonly isFrozen?: ((name: string) => boolean) | undefined;
}

/** Where one parameter lies in the vectors. */
interface Span {
  readonly start: number;
  readonly end: number;
  readonly shape: readonly number[];
}

/**
 * Parameters of one weight decay and one learning rate lie together, so that each group is one range. What is kept with
 * the weights but not trained (running statistics, fixed tables) is a tensor of its own.
 */
export class TrainingParameters implements OptimizerState {
  readonly buffers: Map<string, Tensor>;
  /** By name, the parameter that each copy begins as. */
  readonly copies: ReadonlyMap<string, string>;
  readonly spans: ReadonlyMap<string, Span>;
  readonly groups: readonly ParameterGroup[];
  readonly parameters: Float32Array;
  readonly gradients: Float32Array;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
  /** A moving average, where one is kept. */
  average: AveragedWeights | undefined;

  /**
   * First values of all parameters: they depend on the seed and each name only. Trained ones are float32; matrices
   * decay, biases and norms (rank below 2) do not.
   */
  constructor(named: readonly Named[], options: ParameterOptions) {
    const { weightDecay, seed, layerDecay = 1, isFrozen = () => false } = options;
    const isTrained = ([node, name]: Named): boolean => parameterAttrs(node).isTrainable && !isFrozen(name);
    const names = new Map(named);
    this.copies = new Map(
      named.flatMap(([node, name]) => {
        const { init } = parameterAttrs(node);
        return init.kind === "copy" ? [[name, names.get(init.of)!]] : [];
      }),
    );
    const firstValueOf = ([node, name]: Named): Tensor =>
      initialValue(node, this.copies.get(name) ?? name, seed);
    const nodes = named.filter(isTrained);
    const fixed = named.filter((one) => !isTrained(one));
    const rateOf = rates(nodes, layerDecay);
    this.buffers = new Map(fixed.map((one) => [one[1], firstValueOf(one)]));
    const spans = new Map<string, Span>();
    const groups: ParameterGroup[] = [];
    let size = 0;
    for (const members of alike(nodes, rateOf)) {
      const start = size;
      for (const [node, name] of members) {
        const shape = node.shape as readonly number[];
        spans.set(name, { start: size, end: size + sizeOf(shape), shape });
        size += sizeOf(shape);
      }
      const [first] = members as [Named];
      const decay = isDecayed(first[0]) ? weightDecay : 0;
      groups.push({ start, end: size, weightDecay: decay, rateFactor: rateOf(first) });
    }
    this.spans = spans;
    this.groups = groups;
    this.parameters = new Float32Array(size);
    this.gradients = new Float32Array(size);
    this.firstMoment = new Float32Array(size);
    this.secondMoment = new Float32Array(size);
    for (const one of nodes) this.set(one[1], firstValueOf(one));
  }

  /** Every stored name with its shape. */
  get shapes(): ReadonlyMap<string, { readonly shape: readonly number[] }> {
    return new Map<string, { readonly shape: readonly number[] }>([...this.spans, ...this.buffers]);
  }

  /** Sets one parameter or buffer from a tensor of any floating dtype; a buffer of its own dtype is kept uncopied. */
  set(name: string, tensor: Tensor): void {
    const buffer = this.buffers.get(name);
    if (buffer) {
      const isAlike = tensor.dtype === buffer.dtype;
      this.buffers.set(name, isAlike ? tensor : Tensor.from(buffer.dtype, tensor.shape, tensor.toNumbers()));
      return;
    }
    const values = tensor.dtype === "float32" ? (tensor.data as Float32Array) : tensor.toNumbers();
    this.parameters.set(values, this.spans.get(name)!.start);
  }

  /** A view of one parameter's part of a vector of this size. */
  view(name: string, vector: Float32Array = this.parameters): Tensor {
    const { start, end, shape } = this.spans.get(name)!;
    return new Tensor("float32", shape, vector.subarray(start, end));
  }

  /** What a graph reads under a name: the parameter or the buffer. */
  value(name: string): Tensor {
    return this.buffers.get(name) ?? this.view(name);
  }

  /** The same of the average, where there is one. */
  averaged(name: string): Tensor {
    if (!this.average) return this.value(name);
    return this.average.buffers.get(name) ?? this.view(name, this.average.parameters);
  }

  /** Views of all parts of a vector by name. */
  views(vector: Float32Array): Record<string, Tensor> {
    return Object.fromEntries([...this.spans.keys()].map((name) => [name, this.view(name, vector)]));
  }
}
