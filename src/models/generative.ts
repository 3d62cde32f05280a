/**
 * What a model gives to be continued token by token (`src/generation/` runs it).
 * B rows, T new tokens of a row, P slots of its cache, S source length, D hidden size, V vocabulary.
 *
 * A decoder-only model writes `decode` and `logits`; an encoder–decoder writes `encode` too. One call of `decode` with
 * `Context.decoding(cache)` describes one step: self-attention names its keys and values with `cacheAs` and gets those
 * of earlier steps from the cache, cross-attention gets the ones that were computed once. The same `decode` without a
 * cache is the whole pass, so `forward` should be written with it.
 *
 * Rows know nothing of each other: each has a length of its own, its tokens fill the slots from 0, and slots that are
 * not filled (yet) are masked.
 */

import type { Node } from "../graph/node.ts";
import type { Context } from "../nn/context.ts";
import type { Inputs, Model } from "./model.ts";

/** One step of a decoder: T new tokens for every row, behind what the cache holds. */
export interface DecoderStep {
  /** int64 [B, T]. */
  readonly ids: Node;
  /** int64 [B, T]: each token's place in its row, from 0, masked tokens before it not counted. */
  readonly positions: Node;
  /** [B, 1, T, P + T], for the cache's slots and then the new tokens: 0 where a token may attend, else very negative. */
  readonly bias: Node;
  /** int64 [B, T, P + T]: place of each key less that of the query, for relative positions. */
  readonly distances: Node;
  /** What `encode` returned [B, S, D]; absent for a decoder alone. */
  readonly source?: Node | undefined;
  /** [B, 1, 1, S]: 0 where the source may be attended to, else very negative. Absent for a decoder alone. */
  readonly sourceBias?: Node | undefined;
}

/** Tokens that a generated sequence begins and ends with. */
export interface SequenceEnds {
  readonly bos_token_id: number;
  readonly eos_token_id: number[];
}

/** A model that generates. Which tokens begin and end, and how they are chosen, is in its configuration. */
export interface GenerativeModel extends Model {
  /** Where the fields of the configuration that have these names mean something else, or lie deeper. */
  readonly ends?: SequenceEnds;
  /** Most tokens of a row, where positions are learned or tabled; absent where there is no limit. */
  readonly maxLength?: number;
  /** Encoder–decoder: the encoder's output [B, S, D] for the inputs of `forward`, of which the decoder's are absent. */
  encode?(ctx: Context, inputs: Inputs): Node;
  /** The decoder's last hidden states [B, T, D]. */
  decode(ctx: Context, step: DecoderStep): Node;
  /** Scores of the next token [..., V] from hidden states [..., D]; tokens that may never come are very negative. */
  logits(hidden: Node): Node;
}

export const isGenerative = (model: Model): model is GenerativeModel => "decode" in model;
