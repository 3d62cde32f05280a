/**
 * One piece of seeing per line of standard input. Arguments: library, model folder, work as JSON: {"batch", "side"} for a
 * forward pass over random pixels, {"photos": [path, …]} for files through the pipeline, eight at once.
 */

import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { createInterface } from "node:readline";

const [library, folder, json] = process.argv.slice(2);
const { batch, side, photos } = JSON.parse(json);

const pixels = () => Float32Array.from({ length: batch * 3 * side * side }, (_, at) => Math.sin(at * 0.37));
const shape = [batch, 3, side, side];
const logitsOf = ({ logits }) => [...logits.data.slice(0, logits.data.length / batch)];

async function openTesserae() {
  if (photos) {
    const { pipeline } = await import("../dist/tasks/pipeline.js");
    const classify = await pipeline("image-classification", folder);
    return async () => void (await classify(photos));
  }
  const { openImageModel } = await import("../dist/models/open.js");
  const { Tensor } = await import("../dist/tensor/tensor.js");
  const { session } = await openImageModel(folder);
  const pixel_values = new Tensor("float32", shape, pixels());
  return async () => logitsOf(await session.run({ pixel_values }));
}

async function openTransformersJs() {
  const { AutoModel, env, pipeline, Tensor } = await import("@huggingface/transformers");
  env.allowRemoteModels = false;
  env.localModelPath = `${dirname(folder)}/`;
  const name = basename(folder);
  if (photos) {
    const classify = await pipeline("image-classification", name, { dtype: "fp32" });
    return async () => {
      for (let at = 0; at < photos.length; at += 8) await classify(photos.slice(at, at + 8));
    };
  }
  const model = await AutoModel.from_pretrained(name, { dtype: "fp32" });
  const pixel_values = new Tensor("float32", pixels(), shape);
  return async () => logitsOf(await model({ pixel_values }));
}

const run = await { tesserae: openTesserae, "transformers.js": openTransformersJs }[library]();
const peakBytes = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;

console.log("ready");
for await (const _ of createInterface({ input: process.stdin })) {
  const start = performance.now();
  const logits = await run();
  const seconds = (performance.now() - start) / 1000;
  console.log(JSON.stringify({ seconds, peakBytes: peakBytes(), logits }));
}
