/** The hidden states of a text, or one vector of them. T tokens, D hidden size. */

import { z } from "zod";
import type { ConfigJson } from "../models/config.ts";
import type { AnswerTask } from "./predictor.ts";

/** float32 [T, D], or [D] where it is pooled. */
export interface Features {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** The captured output that holds the same in a model with another head. */
export const lastHiddenState = (config: ConfigJson): string =>
  `hidden_states.${config.num_hidden_layers ?? config.n_layers ?? config.n_layer ?? 12}`;

const input = z.union([z.string().transform((text) => ({ text })), z.strictObject({ text: z.string() })]);

const options = z.strictObject({
  /** `mean` of all tokens, or the vector of `cls`: of [CLS], or without one the first. Default none: every token. */
  pooling: z.enum(["none", "mean", "cls"]).default("none"),
  /** Whether each vector is divided by its length. Default false. */
  normalize: z.boolean().default(false),
});

export const featureAnswers: AnswerTask<{ text: string }, z.infer<typeof options>, Features> = {
  outputs: (config) => [["last_hidden_state"], [lastHiddenState(config)]],
  input,
  options,
  async answer({ tokenizer, maxLength, run }, { text }, { pooling, normalize }) {
    const encoding = tokenizer.encode(text, undefined, { maxLength });
    const [states] = await run(encoding);
    const width = states!.shape.at(-1)!;
    const tokens = Float32Array.from(states!.data as Float32Array).subarray(0, encoding.length * width);
    const data =
      pooling === "none"
        ? tokens
        : pooled(tokens, width, pooling, encoding.ids.indexOf(tokenizer.clsId ?? -1));
    if (normalize)
      for (let at = 0; at < data.length; at += width) toUnitLength(data.subarray(at, at + width));
    return { dims: pooling === "none" ? [encoding.length, width] : [width], data };
  },
};

/** One vector [D] of token vectors [T, D]. `clsAt`: where [CLS] is, −1 where there is none and the first token serves. */
export function pooled(
  tokens: Float32Array,
  width: number,
  pooling: "mean" | "cls",
  clsAt: number,
): Float32Array {
  if (pooling === "mean") return meanOf(tokens, width);
  const start = Math.max(0, clsAt) * width;
  return tokens.slice(start, start + width);
}

function meanOf(tokens: Float32Array, width: number): Float32Array {
  const mean = new Float32Array(width);
  const count = tokens.length / width;
  for (let i = 0; i < tokens.length; i++) mean[i % width]! += tokens[i]! / count;
  return mean;
}

/** Divides a vector by its length, in place. */
export function toUnitLength(vector: Float32Array): void {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  for (let i = 0; i < vector.length; i++) vector[i]! /= Math.max(length, 1e-12);
}
