/**
 * Keys and values that a decoder keeps between steps. A pass with a cache is a graph of one step: what earlier steps
 * computed are its inputs, what this step adds are its outputs, and the caller joins them; the graph never copies a cache.
 * B rows, H heads, T new tokens, P slots of the past, S source length, K size of a head.
 */

import { input, type Node } from "../graph/node.ts";
import { plainSymbol } from "../graph/onnx/builder.ts";
import { type Dim, symbol } from "../tensor/dims.ts";
import type { KeyValues } from "./attention.ts";

/** P: slots of the past, filled or not. */
export const pastLength: Dim = symbol("past");

/** S as a dimension of an input: a length that is computed of others becomes one of its own. */
export const sourceLength = (dim: Dim): Dim =>
  typeof dim === "number" || plainSymbol(dim) !== undefined ? dim : symbol("source");

/** Where a pass that decodes keeps keys and values: each method takes this step's own and returns what to attend to. */
export interface StepCache {
  /** Self-attention: what earlier steps kept, then this step's own, in one part or more. */
  extend(name: string, own: KeyValues): KeyValues[];
  /** The same for anything else that is kept of every token. */
  extendOne(name: string, own: Node): Node[];
  /** Cross-attention: what was computed once. */
  fixed(name: string, own: KeyValues): KeyValues;
}

export class DecoderCache implements StepCache {
  /** `past.<name>.key|value` [B, H, P, K] and `fixed.<name>.key|value` [B, H, S, K]. */
  readonly inputs: Node[] = [];
  /** `present.<name>.key|value` [B, H, T, K]: what the caller writes behind the past. */
  readonly outputs: Record<string, Node> = {};
  /** `fixed.<name>.key|value`: what computes the inputs of that name, in a graph that runs once for a source. */
  readonly fixedOutputs: Record<string, Node> = {};

  /** Self-attention: the past, then this step's own. */
  extend(name: string, own: KeyValues): KeyValues[] {
    const [key] = this.extendOne(`${name}.key`, own.key) as [Node];
    const [value] = this.extendOne(`${name}.value`, own.value) as [Node];
    return [{ key, value }, own];
  }

  /** What else is kept of every token: the past [B, H, P, K], then this step's own [B, H, T, K]. */
  extendOne(name: string, own: Node): Node[] {
    this.outputs[`present.${name}`] = own;
    return [this.declare(`past.${name}`, own, own.shape.with(2, pastLength)), own];
  }

  /** Cross-attention: `own` as it was computed once, before the first step. */
  fixed(name: string, own: KeyValues): KeyValues {
    const kept = (part: keyof KeyValues): Node => {
      this.fixedOutputs[`fixed.${name}.${part}`] = own[part];
      const { shape } = own[part];
      return this.declare(`fixed.${name}.${part}`, own[part], shape.with(2, sourceLength(shape[2]!)));
    };
    return { key: kept("key"), value: kept("value") };
  }

  private declare(name: string, { dtype }: Node, shape: Node["shape"]): Node {
    const node = input(name, dtype, shape);
    this.inputs.push(node);
    return node;
  }
}
