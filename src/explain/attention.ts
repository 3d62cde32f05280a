/** Attention maps of a forward pass: rollout over the layers, and the strongest links. H heads, T targets, S sources. */

import { sizeOf, Tensor } from "../tensor/tensor.ts";
import { attentionOf } from "./graphs.ts";

/** What one layer attends to. */
export interface AttentionMap {
  /** "" where the model has one stack of layers, else "encoder", "decoder" or "cross". */
  readonly stack: string;
  /** From 0, the layer next to the embeddings. */
  readonly layer: number;
  /** float32 [H, T, S]; every row of S adds up to 1. */
  readonly probabilities: Tensor;
}

/** The maps among a model's outputs [B, H, T, S], of the first row of the batch, by stack and layer. */
export function attentionMaps(outputs: Readonly<Record<string, Tensor>>): AttentionMap[] {
  const maps = Object.entries(outputs).flatMap(([name, { shape, data }]): AttentionMap[] => {
    const found = attentionOf(name);
    if (!found) return [];
    const inner = shape.slice(1);
    const values = Float32Array.from(data.subarray(0, sizeOf(inner)) as Float32Array);
    return [{ ...found, probabilities: new Tensor("float32", inner, values) }];
  });
  return maps.sort((a, b) => a.stack.localeCompare(b.stack) || a.layer - b.layer);
}

/** Maps of the stack that reads the text. */
export const ownMaps = (maps: readonly AttentionMap[]): AttentionMap[] =>
  maps.filter(({ stack }) => stack === "" || stack === "encoder");

/**
 * How much of every position's last state comes from every input position, when attention is all that mixes them:
 * the product over the layers of ½ (mean over heads + identity), for the skip connections.
 * Abnar & Zuidema 2020, https://arxiv.org/abs/2005.00928
 * @param maps square ones of one stack, in order → float32 [T, T]; rows add up to 1
 */
export function rollout(maps: readonly AttentionMap[], length: number): Tensor {
  let product = Tensor.zeros("float32", [length, length]).data as Float32Array;
  for (let at = 0; at < length; at++) product[at * length + at] = 1;
  for (const { probabilities } of maps) product = multiply(withSkip(probabilities), product, length);
  return new Tensor("float32", [length, length], product);
}

/** ½ (mean over heads + identity). */
function withSkip({ shape, data }: Tensor): Float32Array {
  const [heads, length] = shape as [number, number, number];
  const mixed = new Float32Array(length * length);
  for (let at = 0; at < data.length; at++) mixed[at % mixed.length]! += Number(data[at]) / (2 * heads);
  for (let at = 0; at < length; at++) mixed[at * length + at]! += 0.5;
  return mixed;
}

function multiply(a: Float32Array, b: Float32Array, size: number): Float32Array {
  const product = new Float32Array(size * size);
  for (let row = 0; row < size; row++) {
    for (let inner = 0; inner < size; inner++) {
      const factor = a[row * size + inner]!;
      for (let column = 0; column < size; column++)
        product[row * size + column]! += factor * b[inner * size + column]!;
    }
  }
  return product;
}

/** One cell of an attention map. */
export interface AttentionLink {
  readonly layer: number;
  readonly head: number;
  /** The position that attends. */
  readonly from: number;
  /** The position attended to. */
  readonly to: number;
  readonly weight: number;
}

/** For every pair of positions, the layer and head of one stack in which the one attends most to the other, strongest first. */
export function strongestLinks(maps: readonly AttentionMap[]): AttentionLink[] {
  const best: AttentionLink[] = [];
  for (const { layer, probabilities } of maps) {
    const [, targets, sources] = probabilities.shape as [number, number, number];
    const size = targets * sources;
    for (const [at, weight] of (probabilities.data as Float32Array).entries()) {
      const pair = at % size;
      if (weight <= (best[pair]?.weight ?? -1)) continue;
      const head = Math.floor(at / size);
      best[pair] = { layer, head, from: Math.floor(pair / sources), to: pair % sources, weight };
    }
  }
  return best.sort((a, b) => b.weight - a.weight);
}
