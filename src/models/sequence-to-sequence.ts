/**
 * What encoder–decoder models share: the decoder's inputs in training, the whole pass as one step, and the loss over a
 * vocabulary. B batch, S source tokens, T target tokens, V vocabulary.
 */

import { ConfigError } from "../errors.ts";
import { constant, type Node } from "../graph/node.ts";
import { add, full, reshape, sub } from "../graph/ops/core.ts";
import { flattenRows } from "../graph/ops/matmul.ts";
import { notEqual, where } from "../graph/ops/select.ts";
import { concat, iota, slice, unsqueeze } from "../graph/ops/shape.ts";
import { causalBias, forbidden, paddingBias } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { crossEntropy, ignoredLabel } from "../nn/losses.ts";
import { type Dim, productOf } from "../tensor/dims.ts";
import { Tensor } from "../tensor/tensor.ts";
import { labelInput, tokenInput } from "./family.ts";
import type { DecoderStep } from "./generative.ts";
import { tokenLossOutputs } from "./heads.ts";
import type { Inputs, Outputs } from "./model.ts";

/** The inputs of every encoder–decoder; in training the labels give the decoder's. */
export const sourceAndTargetInputs = [
  tokenInput("input_ids"),
  tokenInput("attention_mask"),
  tokenInput("decoder_input_ids", ["batch", "target_length"]),
];
export const targetLabels = [labelInput("labels", ["batch", "target_length"])];

/** Places from 0 of all tokens of a stack, [1, T], and their distances [1, T, T]. */
export function wholePlaces(length: Dim): { positions: Node; distances: Node } {
  const places = iota(length);
  return {
    positions: unsqueeze(places, 0),
    distances: unsqueeze(sub(unsqueeze(places, 0), unsqueeze(places, 1)), 0),
  };
}

/** `decoder_input_ids`, or `labels` moved one place to the right behind the start token, −100 read as padding. */
export function decoderInputs(
  where: string,
  { decoder_input_ids, labels }: Inputs,
  { startId, padId }: { readonly startId: number; readonly padId: number },
): Node {
  if (decoder_input_ids) return decoder_input_ids;
  if (!labels) throw new ConfigError(`${where}: the input "decoder_input_ids" (or "labels") is missing`);
  return shiftRight(labels, startId, padId);
}

function shiftRight(labels: Node, startId: number, padId: number): Node {
  const start = full(startId, labels.dtype, [labels.shape[0]!, 1]);
  const known = where(notEqual(labels, ignoredLabel), labels, padId);
  return concat([start, slice(known, 1, 0, -1)], 1);
}

/** All tokens of the decoder at once; `decoder_attention_mask` [B, T] may hide some. */
export function wholeStep(
  ids: Node,
  source: Node,
  { attention_mask, decoder_attention_mask }: Inputs,
): DecoderStep {
  const length = ids.shape[1]!;
  const { dtype } = source;
  const causal = causalBias(length, length, dtype);
  return {
    ids,
    ...wholePlaces(length),
    bias: decoder_attention_mask ? add(causal, paddingBias(decoder_attention_mask, dtype)) : causal,
    source,
    sourceBias: attention_mask && paddingBias(attention_mask, dtype),
  };
}

/**
 * `loss` of logits [B, T, V] where there are labels [B, T] (−100 does not count), with counts for evaluation.
 * `labelSmoothing`, the share of the target spread over all words, holds in training alone, so that validation shows
 * the likelihood.
 */
export function targetOutputs(
  ctx: Context,
  logits: Node,
  labels: Node | undefined,
  labelSmoothing = 0,
): Outputs {
  if (!labels || !ctx.isTraining) return tokenLossOutputs(logits, labels);
  const flat = reshape(labels, [productOf(labels.shape)]);
  return { loss: crossEntropy(flattenRows(logits), flat, { labelSmoothing }) };
}

/** scores [..., V] with that of one token made very negative, so that it is never chosen. */
export function withoutToken(scores: Node, id: number): Node {
  const words = scores.shape.at(-1) as number;
  const mask = Tensor.zeros(scores.dtype, [words]);
  mask.data[id] = forbidden(scores.dtype);
  return add(scores, constant(mask));
}
