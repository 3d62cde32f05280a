/** Parameters, gradients and moments as flat vectors, with a view of each parameter's part. */

import type { Node } from "../graph/node.ts";
import { initialValue } from "../nn/module.ts";
import { sizeOf, Tensor } from "../tensor/tensor.ts";
import type { OptimizerState, ParameterGroup } from "./optimizer.ts";

/** Where one parameter lies in the vectors. */
interface Span {
  readonly start: number;
  readonly end: number;
  readonly shape: readonly number[];
}

/** Decayed parameters come first, so that each group is one range. */
export class TrainingParameters implements OptimizerState {
  readonly spans: ReadonlyMap<string, Span>;
  readonly groups: readonly ParameterGroup[];
  readonly parameters: Float32Array;
  readonly gradients: Float32Array;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;

  /** Vectors of zeros for float32 nodes. Matrices decay; biases and norms (rank below 2) do not. */
  constructor(nodes: readonly (readonly [Node, string])[], weightDecay: number) {
    const spans = new Map<string, Span>();
    let size = 0;
    const place = (isDecayed: boolean): number => {
      for (const [node, name] of nodes) {
        if (node.rank >= 2 !== isDecayed) continue;
        const shape = node.shape as readonly number[];
        spans.set(name, { start: size, end: size + sizeOf(shape), shape });
        size += sizeOf(shape);
      }
      return size;
    };
    const border = place(true);
    place(false);
    this.spans = spans;
    this.groups = [
      { start: 0, end: border, weightDecay },
      { start: border, end: size, weightDecay: 0 },
    ];
    this.parameters = new Float32Array(size);
    this.gradients = new Float32Array(size);
    this.firstMoment = new Float32Array(size);
    this.secondMoment = new Float32Array(size);
  }

  /** Draws first values: they depend on the seed and each name only. */
  initialise(nodes: readonly (readonly [Node, string])[], seed: number): void {
    for (const [node, name] of nodes) this.set(name, initialValue(node, name, seed));
  }

  /** Sets one parameter from a tensor of any floating dtype. */
  set(name: string, tensor: Tensor): void {
    const values = tensor.dtype === "float32" ? (tensor.data as Float32Array) : tensor.toNumbers();
    this.parameters.set(values, this.spans.get(name)!.start);
  }

  /** A view of one parameter's part of a vector of this size. */
  view(name: string, vector: Float32Array = this.parameters): Tensor {
    const { start, end, shape } = this.spans.get(name)!;
    return new Tensor("float32", shape, vector.subarray(start, end));
  }

  /** Views of all parts of a vector by name. */
  views(vector: Float32Array): Record<string, Tensor> {
    return Object.fromEntries([...this.spans.keys()].map((name) => [name, this.view(name, vector)]));
  }
}
