/**
 * Keys and values that a decoder keeps between steps. A pass with a cache is a graph of one step: what earlier steps
 * computed are its inputs, what this step adds are its outputs, and the caller joins them; the graph never copies a cache.
 */

import { input, type Node } from "../graph/node.ts";
import { symbol } from "../tensor/dims.ts";
import type { KeyValues } from "./attention.ts";

export class DecoderCache {
  /** `past.<name>.key|value` [B, H, past, K] and `fixed.<name>.key|value` [B, H, S, K]. */
  readonly inputs: Node[] = [];
  /** `present.<name>.key|value` [B, H, T, K]: what the caller writes behind the past. */
  readonly outputs: Record<string, Node> = {};

  /** Self-attention: the past, then this step's own. */
  extend(name: string, own: KeyValues): KeyValues[] {
    this.outputs[`present.${name}.key`] = own.key;
    this.outputs[`present.${name}.value`] = own.value;
    const past = (part: keyof KeyValues): Node =>
      this.declare(`past.${name}.${part}`, own[part], own[part].shape.with(2, symbol("past")));
    return [{ key: past("key"), value: past("value") }, own];
  }

  /** Cross-attention: `own` as it was computed once, before the first step; `fixedOutputs` of the graph that does. */
  fixed(name: string, own: KeyValues): KeyValues {
    const kept = (part: keyof KeyValues): Node =>
      this.declare(`fixed.${name}.${part}`, own[part], own[part].shape);
    return { key: kept("key"), value: kept("value") };
  }

  private declare(name: string, { dtype }: Node, shape: Node["shape"]): Node {
    const node = input(name, dtype, shape);
    this.inputs.push(node);
    return node;
  }
}
