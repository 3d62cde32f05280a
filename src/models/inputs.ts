/** Reading the inputs of a model, by the names of Hugging Face's `forward`. */

import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { reshape } from "../graph/ops/core.ts";
import { type Dim, mulDims } from "../tensor/dims.ts";
import type { Inputs } from "./model.ts";

/** @throws ConfigError when the input is not given. */
export function requiredInput(inputs: Inputs, name: string, model: string): Node {
  const node = inputs[name];
  if (!node) throw new ConfigError(`${model}: the input "${name}" is missing`);
  return node;
}

/** Texts of several choices, [B, N, T], as rows of their own, [B·N, T]; `shape` is [B, N]. */
export interface ChoiceRows {
  readonly rows: Inputs;
  readonly shape: readonly [Dim, Dim];
}

/** @throws ConfigError when there are no `input_ids`. */
export function choiceRows(inputs: Inputs, model: string): ChoiceRows {
  const [batch, choices, length] = requiredInput(inputs, "input_ids", model).shape as [Dim, Dim, Dim];
  const flat = (name: string): Node | undefined => {
    const node = inputs[name];
    return node && reshape(node, [mulDims(batch, choices), length]);
  };
  const names = ["input_ids", "attention_mask", "token_type_ids"];
  return { rows: Object.fromEntries(names.map((name) => [name, flat(name)])), shape: [batch, choices] };
}
