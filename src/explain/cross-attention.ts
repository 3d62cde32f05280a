/**
 * What the tokens of a text look at in a picture: cross-attention, and cross-attention times the gradient of a score where
 * that is positive. Grad-CAM (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391) as ALBEF draws it (Li et al. 2021,
 * https://arxiv.org/abs/2107.07651).
 * B rows, H heads, T tokens, S tokens of the picture.
 */

import { grad } from "../graph/grad.ts";
import { input } from "../graph/node.ts";
import { mul, sum } from "../graph/ops/core.ts";
import { gatherPoints } from "../graph/ops/indexing.ts";
import { relu } from "../graph/ops/math.ts";
import { mean } from "../graph/ops/reduce.ts";
import { type TracedGraph, usedGraph } from "../models/trace.ts";
import type { Feeds } from "../runtime/session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { attentionOf, pointInput, type TracedModel } from "./graphs.ts";
import { idsTensor } from "./pair-reading.ts";
import type { ModelRunner } from "./runner.ts";

/** A score, and the tokens whose attention it weighs. */
export interface WeighedTokens {
  /** The element of the scored output, without the batch axis. */
  readonly point: readonly number[];
  /** Positions of T. */
  readonly tokens: readonly number[];
}

/** One token's values over the S tokens of a picture, by layer; the mean over the heads. */
export interface TokenLooks {
  /** They add up to 1. */
  readonly attention: readonly (readonly number[])[];
  /** attention · max(0, ∂ score / ∂ attention). */
  readonly weighted: readonly (readonly number[])[];
}

export interface CrossAttentionSetup {
  readonly runner: ModelRunner;
  readonly model: TracedModel;
  /** Name of the output that holds the scores. */
  readonly scored: string;
  readonly ids: readonly number[];
  /** Inputs beside the ids. */
  readonly shared: Feeds;
}

/** Most tokens of one batch; bounds the memory of its maps. */
const maxBatchTokens = 512;

/** The looks of all tokens that are asked for, in their order. */
export async function crossAttention(
  setup: CrossAttentionSetup,
  asked: readonly WeighedTokens[],
): Promise<TokenLooks[]> {
  const { runner, model, scored, ids, shared } = setup;
  const rows = Math.max(1, Math.floor(maxBatchTokens / ids.length));
  const batches = Array.from({ length: Math.ceil(asked.length / rows) }, (_, at) =>
    asked.slice(at * rows, (at + 1) * rows),
  );
  const feeds = batches.map((batch) => ({ ...shared, ...rowFeeds(ids, scored, batch) }));
  const results = await runner.run(crossAttentionGraph(model, scored), feeds);
  return results.flatMap((outputs, at) =>
    batches[at]!.flatMap(({ tokens }, row) => tokens.map((token) => looksOf(outputs, row, token))),
  );
}

/** Outputs `attention.N` and `weighted.N` [B, T, S] of every layer N. */
function crossAttentionGraph({ names, inputs, outputs }: TracedModel, scored: string): TracedGraph {
  const scores = outputs[scored]!;
  const points = input(pointInput(scored), "int64", [scores.shape[0]!, scores.rank]);
  const maps = Object.keys(outputs).filter((name) => attentionOf(name)?.stack === "cross");
  const nodes = maps.map((name) => outputs[name]!);
  const gradients = grad(sum(gatherPoints(scores, points)), nodes);
  const means = nodes.flatMap((map, layer) => [
    [`attention.${layer}`, mean(map, 1)],
    [`weighted.${layer}`, mean(mul(map, relu(gradients[layer]!)), 1)],
  ]);
  return usedGraph(Object.fromEntries(means), [...inputs, points], names);
}

/** The ids in every row, each with its point. */
function rowFeeds(ids: readonly number[], scored: string, batch: readonly WeighedTokens[]): Feeds {
  const points = batch.map(({ point }, row) => [row, ...point]);
  return {
    input_ids: idsTensor(batch.map(() => ids)),
    [pointInput(scored)]: Tensor.from("int64", [batch.length, points[0]!.length], points.flat()),
  };
}

function looksOf(outputs: Readonly<Record<string, Tensor>>, row: number, token: number): TokenLooks {
  const layers = Object.keys(outputs).length / 2;
  const ofKind = (kind: string): number[][] =>
    Array.from({ length: layers }, (_, layer) => valuesAt(outputs[`${kind}.${layer}`]!, row, token));
  return { attention: ofKind("attention"), weighted: ofKind("weighted") };
}

/** [B, T, S] at a row and a token. */
function valuesAt({ shape, data }: Tensor, row: number, token: number): number[] {
  const [, length, sources] = shape as [number, number, number];
  const start = (row * length + token) * sources;
  return Array.from(data.subarray(start, start + sources) as Float32Array);
}
