/**
 * Keys and values that a decoder keeps between steps. A pass with a cache is a graph of one step: what earlier steps
 * computed are its inputs, what this step adds are its outputs, and the caller joins them; the graph never copies a cache.
 * B rows, H heads, T new tokens, P slots of the past, S source length, K size of a head.
 */

import { input, type Node } from "../graph/node.ts";
import { type Dim, symbol } from "../tensor/dims.ts";
import type { KeyValues } from "./attention.ts";

/** P: slots of the past, filled or not. */
export const pastLength: Dim = symbol("past");

export class DecoderCache {
  /** `past.<name>.key|value` [B, H, P, K] and `fixed.<name>.key|value` [B, H, S, K]. */
  readonly inputs: Node[] = [];
  /** `present.<name>.key|value` [B, H, T, K]: what the caller writes behind the past. */
  readonly outputs: Record<string, Node> = {};
  /** `fixed.<name>.key|value`: what computes the inputs of that name, in a graph that runs once for a source. */
  readonly fixedOutputs: Record<string, Node> = {};

  /** Self-attention: the past, then this step's own. */
  extend(name: string, own: KeyValues): KeyValues[] {
    const past = (part: keyof KeyValues): Node => {
      this.outputs[`present.${name}.${part}`] = own[part];
      return this.declare(`past.${name}.${part}`, own[part], own[part].shape.with(2, pastLength));
    };
    return [{ key: past("key"), value: past("value") }, own];
  }

  /** Cross-attention: `own` as it was computed once, before the first step. */
  fixed(name: string, own: KeyValues): KeyValues {
    const kept = (part: keyof KeyValues): Node => {
      this.fixedOutputs[`fixed.${name}.${part}`] = own[part];
      return this.declare(`fixed.${name}.${part}`, own[part], own[part].shape);
    };
    return { key: kept("key"), value: kept("value") };
  }

  private declare(name: string, { dtype }: Node, shape: Node["shape"]): Node {
    const node = input(name, dtype, shape);
    this.inputs.push(node);
    return node;
  }
}
