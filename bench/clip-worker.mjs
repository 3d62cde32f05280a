/**
 * One piece of CLIP's work per line of standard input. Arguments: library, model folder, work as JSON: {"batch"} for
 * pictures, {"batch", "length"} for texts of so many tokens, {"labels"} for one picture's class among so many labels.
 */

import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { createInterface } from "node:readline";

const [library, folder, json] = process.argv.slice(2);
const { batch, length, labels } = JSON.parse(json);
const side = 224;
const [start, end] = [49406n, 49407n];

/** Random pixels, or texts between the first and the last token, through the library's own kind of tensor. */
function feeds(tensor) {
  if (!length) {
    const pixels = Float32Array.from({ length: batch * 3 * side * side }, (_, at) => Math.sin(at * 0.37));
    return { pixel_values: tensor("float32", pixels, [batch, 3, side, side]) };
  }
  const idAt = (at) => {
    const place = at % length;
    if (place === 0) return start;
    return place === length - 1 ? end : BigInt((at * 7919) % 49000);
  };
  const ids = BigInt64Array.from({ length: batch * length }, (_, at) => idAt(at));
  const mask = new BigInt64Array(batch * length).fill(1n);
  return {
    input_ids: tensor("int64", ids, [batch, length]),
    attention_mask: tensor("int64", mask, [batch, length]),
  };
}

/** The first vector's first features, of length 1 in all. */
function firstFeatures({ data, dims, shape = dims }) {
  const vector = Array.from(data.slice(0, shape[1]));
  const norm = Math.hypot(...vector);
  return vector.slice(0, 8).map((value) => value / norm);
}

async function openTesserae() {
  if (labels) return openZeroShot();
  const { openTowers } = await import("../dist/models/open-towers.js");
  const { Tensor } = await import("../dist/tensor/tensor.js");
  const { images, texts } = await openTowers(folder);
  const session = length ? texts : images;
  const given = feeds((dtype, data, shape) => new Tensor(dtype, shape, data));
  return async () => {
    const { text_embeds, image_embeds = text_embeds } = await session.run(given);
    return firstFeatures(image_embeds);
  };
}

async function openZeroShot() {
  const { pipeline } = await import("../dist/tasks/pipeline.js");
  const classify = await pipeline("zero-shot-image-classification", folder);
  const data = Uint8Array.from({ length: 3 * side * side }, (_, at) => (at * 7919) >> 3);
  const names = Array.from({ length: labels }, (_, at) => `label number ${at}`);
  return async () => {
    const scores = await classify({ width: side, height: side, data }, names);
    return scores.slice(0, 8).map(({ score }) => score);
  };
}

async function openTransformersJs() {
  const { CLIPTextModelWithProjection, CLIPVisionModelWithProjection, env, Tensor } = await import(
    "@huggingface/transformers"
  );
  env.allowRemoteModels = false;
  env.localModelPath = `${dirname(folder)}/`;
  const Tower = length ? CLIPTextModelWithProjection : CLIPVisionModelWithProjection;
  const tower = await Tower.from_pretrained(basename(folder), { dtype: "fp32" });
  const given = feeds((dtype, data, shape) => new Tensor(dtype, data, shape));
  return async () => {
    const { text_embeds, image_embeds = text_embeds } = await tower(given);
    return firstFeatures(image_embeds);
  };
}

const run = await { tesserae: openTesserae, "transformers.js": openTransformersJs }[library]();
const peakBytes = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;

console.log("ready");
for await (const _ of createInterface({ input: process.stdin })) {
  const startMs = performance.now();
  const features = await run();
  const seconds = (performance.now() - startMs) / 1000;
  console.log(JSON.stringify({ seconds, peakBytes: peakBytes(), features }));
}
