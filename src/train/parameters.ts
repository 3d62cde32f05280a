/** Parameters, gradients and moments as flat vectors, with a view of each parameter's part. */

import { type Node, parameterAttrs } from "../graph/node.ts";
import { initialValue } from "../nn/module.ts";
import { sizeOf, Tensor } from "../tensor/tensor.ts";
import type { OptimizerState, ParameterGroup } from "./optimizer.ts";

type Named = readonly [Node, string];

const isDecayed = (node: Node): boolean => node.rank >= 2;

/** Parameters by decay and learning rate, the decayed ones first. */
function alike(nodes: readonly Named[]): Named[][] {
  const groups = new Map<string, Named[]>();
  const decayedFirst = [...nodes].sort(([a], [b]) => Number(isDecayed(b)) - Number(isDecayed(a)));
  for (const named of decayedFirst) {
    const key = `${isDecayed(named[0])} ${parameterAttrs(named[0]).rateFactor}`;
    groups.set(key, [...(groups.get(key) ?? []), named]);
  }
  return [...groups.values()];
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
  readonly spans: ReadonlyMap<string, Span>;
  readonly groups: readonly ParameterGroup[];
  readonly parameters: Float32Array;
  readonly gradients: Float32Array;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;

  /**
   * First values of all parameters: they depend on the seed and each name only. Trained ones are float32; matrices
   * decay, biases and norms (rank below 2) do not.
   */
  constructor(named: readonly Named[], weightDecay: number, seed: number) {
    const nodes = named.filter(([node]) => parameterAttrs(node).isTrainable);
    const fixed = named.filter(([node]) => !parameterAttrs(node).isTrainable);
    this.buffers = new Map(fixed.map(([node, name]) => [name, initialValue(node, name, seed)]));
    const spans = new Map<string, Span>();
    const groups: ParameterGroup[] = [];
    let size = 0;
    for (const members of alike(nodes)) {
      const start = size;
      for (const [node, name] of members) {
        const shape = node.shape as readonly number[];
        spans.set(name, { start: size, end: size + sizeOf(shape), shape });
        size += sizeOf(shape);
      }
      const [node] = members[0]!;
      const { rateFactor } = parameterAttrs(node);
      groups.push({ start, end: size, weightDecay: isDecayed(node) ? weightDecay : 0, rateFactor });
    }
    this.spans = spans;
    this.groups = groups;
    this.parameters = new Float32Array(size);
    this.gradients = new Float32Array(size);
    this.firstMoment = new Float32Array(size);
    this.secondMoment = new Float32Array(size);
    for (const [node, name] of nodes) this.set(name, initialValue(node, name, seed));
  }

  /** Every stored name with its shape. */
  get shapes(): ReadonlyMap<string, { readonly shape: readonly number[] }> {
    return new Map<string, { readonly shape: readonly number[] }>([...this.spans, ...this.buffers]);
  }

  /** Sets one parameter or buffer from a tensor of any floating dtype. */
  set(name: string, tensor: Tensor): void {
    const buffer = this.buffers.get(name);
    if (buffer) {
      this.buffers.set(name, Tensor.from(buffer.dtype, tensor.shape, tensor.toNumbers()));
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

  /** Views of all parts of a vector by name. */
  views(vector: Float32Array): Record<string, Tensor> {
    return Object.fromEntries([...this.spans.keys()].map((name) => [name, this.view(name, vector)]));
  }
}
