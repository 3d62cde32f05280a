/**
 * How much each pixel counts for one score of a model, by gradients with respect to the pixels.
 * B rows, C channels, H × W pixels.
 */

import { ConfigError } from "../errors.ts";
import { grad } from "../graph/grad.ts";
import type { Node } from "../graph/node.ts";
import { sum } from "../graph/ops/core.ts";
import { sqrt, square } from "../graph/ops/math.ts";
import { slice, squeeze } from "../graph/ops/shape.ts";
import { type TracedGraph, usedGraph } from "../models/trace.ts";
import type { Feeds } from "../runtime/session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { gaussLegendre } from "./quadrature.ts";
import type { ModelRunner } from "./runner.ts";

/** A model of pictures, traced with everything it captures. */
export interface TracedImageModel {
  readonly names: ReadonlyMap<Node, string>;
  readonly pixels: Node;
  /** Further inputs, which all rows have in common. */
  readonly others?: readonly Node[];
  readonly outputs: Readonly<Record<string, Node>>;
}

/** Values are in the unit of the score, a logit. */
export interface PixelGradients {
  /**
   * Integrated gradients of the pixels, row by row, added up over the channels, from a picture without content.
   * Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365
   */
  readonly integratedGradients: readonly number[];
  readonly score: number;
  readonly baselineScore: number;
  /** What the integrated gradients add up to less what they should; the error of integration. */
  readonly completenessError: number;
  /** Share of each token among those at which the score is read; undefined where the model has no such tokens. */
  readonly reading?: readonly number[] | undefined;
}

/** `scores` [B] of one class, their gradient by the pixels, and by the last states of tokens, whose length is `reading`. */
function scoreGraph({ names, pixels, others = [], outputs }: TracedImageModel, label: number): TracedGraph {
  const scores = squeeze(slice(outputs.logits!, 1, label, label + 1), 1);
  const states = lastStates(outputs);
  const [gradient, byStates] = grad(sum(scores), states ? [pixels, states] : [pixels]) as [Node, Node?];
  const reading = byStates && { reading: sqrt(sum(square(byStates), -1)) };
  return usedGraph({ scores, gradient, ...reading }, [pixels, ...others], names);
}

/** What the last layer gives, [B, T, D], under either of the names that models capture it by. */
function lastStates(outputs: TracedImageModel["outputs"]): Node | undefined {
  const layers = Object.keys(outputs).filter((name) => /^attentions\.\d+$/.test(name)).length;
  const states = outputs[`hidden_states.${layers}`] ?? outputs[`block_output.${layers - 1}`];
  return states?.rank === 3 ? states : undefined;
}

/** Pixels of one batch at most; bounds its memory. */
const maxBatchPixels = 2 ** 18;

export interface PixelSetup {
  readonly runner: ModelRunner;
  readonly model: TracedImageModel;
  /** [1, C, H, W], normalised, as the baseline: a picture of its size without content. */
  readonly picture: Tensor;
  readonly baseline: Tensor;
  /** Further inputs of the model. */
  readonly shared?: Feeds;
  /** Index of the class. */
  readonly label: number;
  /** Points of the path at which the gradient is taken, from 1. */
  readonly steps: number;
}

/** Gradients of a class's logit along the straight path from the baseline to the picture. */
export async function pixelGradients(setup: PixelSetup): Promise<PixelGradients> {
  const { runner, model, picture, baseline, shared, label, steps } = setup;
  if (!Number.isInteger(steps) || steps < 1)
    throw new ConfigError(`explain: steps must be a whole number from 1, got ${steps}`);
  const { points, weights } = gaussLegendre(steps);
  const path = [...points, 0, 1]; // the ends give the two scores
  const [, channels, height, width] = picture.shape as [number, number, number, number];
  const rows = Math.max(1, Math.floor(maxBatchPixels / (height * width)));
  const batches = Array.from({ length: Math.ceil(path.length / rows) }, (_, at) => ({
    ...shared,
    pixel_values: between(baseline, picture, path.slice(at * rows, (at + 1) * rows)),
  }));
  const results = await runner.run(scoreGraph(model, label), batches);
  const scores = results.flatMap(({ scores: some }) => some!.toNumbers());
  const [baselineScore, score] = scores.slice(-2) as [number, number];
  const mean = new Float64Array(picture.size);
  const gradients = results.flatMap(({ gradient }) => rowsOf(gradient!));
  for (const [at, weight] of weights.entries())
    for (let i = 0; i < mean.length; i++) mean[i]! += weight * gradients[at]![i]!;
  const integratedGradients = Array.from({ length: height * width }, (_, pixel) => {
    let total = 0;
    for (let at = pixel; at < channels * height * width; at += height * width)
      total += mean[at]! * (Number(picture.data[at]) - Number(baseline.data[at]));
    return total;
  });
  const reading = results.at(-1)!.reading;
  return {
    integratedGradients,
    score,
    baselineScore,
    completenessError: integratedGradients.reduce((a, b) => a + b, 0) - (score - baselineScore),
    ...(reading && { reading: shares(rowsOf(reading).at(-1)!) }),
  };
}

/** Pictures at some places of the path, from 0, the baseline, to 1. */
function between(baseline: Tensor, { shape, data, size }: Tensor, places: readonly number[]): Tensor {
  const rows = new Float32Array(places.length * size);
  for (const [row, place] of places.entries()) {
    for (let at = 0; at < size; at++)
      rows[row * size + at] = (1 - place) * Number(baseline.data[at]) + place * Number(data[at]);
  }
  return new Tensor("float32", [places.length, ...shape.slice(1)], rows);
}

function rowsOf({ shape, data, size }: Tensor): Float32Array[] {
  const length = size / shape[0]!;
  return Array.from({ length: shape[0]! }, (_, row) =>
    (data as Float32Array).slice(row * length, (row + 1) * length),
  );
}

function shares(values: Float32Array): number[] {
  const total = values.reduce((sum, value) => sum + value, 0);
  return Array.from(values, (value) => (total === 0 ? 1 / values.length : value / total));
}
