/**
 * One piece of inference per line of standard input. Arguments: library, model folder, work as JSON:
 * {"batch", "length"} for a forward pass of that shape, {"texts": file} for all lines of a file through the pipeline.
 */

import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { createInterface } from "node:readline";

const [library, folder, json] = process.argv.slice(2);
const work = JSON.parse(json);
const size = work.batch * work.length;

async function openTesserae() {
  if (work.texts) {
    const { pipeline } = await import("../dist/tasks/pipeline.js");
    const classify = await pipeline("text-classification", folder);
    return (texts) => classify(texts);
  }
  const { openModel } = await import("../dist/models/open.js");
  const { Tensor } = await import("../dist/tensor/tensor.js");
  const { session } = await openModel(folder);
  const ids = (value) => new Tensor("int64", [work.batch, work.length], new BigInt64Array(size).fill(value));
  return () => session.run({ input_ids: ids(1000n), attention_mask: ids(1n), token_type_ids: ids(0n) });
}

async function openTransformersJs() {
  const { AutoModel, env, pipeline, Tensor } = await import("@huggingface/transformers");
  env.allowRemoteModels = false;
  env.localModelPath = `${dirname(folder)}/`;
  const name = basename(folder);
  if (work.texts) {
    const classify = await pipeline("text-classification", name, { dtype: "fp32" });
    return async (texts) => {
      const answers = [];
      for (let at = 0; at < texts.length; at += 32)
        answers.push(...(await classify(texts.slice(at, at + 32))));
      return answers;
    };
  }
  const model = await AutoModel.from_pretrained(name, { dtype: "fp32" });
  const ids = (value) => new Tensor("int64", new BigInt64Array(size).fill(value), [work.batch, work.length]);
  return () => model({ input_ids: ids(1000n), attention_mask: ids(1n), token_type_ids: ids(0n) });
}

const open = { tesserae: openTesserae, "transformers.js": openTransformersJs }[library];
const run = await open();
const texts = work.texts ? readFileSync(work.texts, "utf8").trim().split("\n") : undefined;
const peakBytes = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;

if (work.once) {
  await run(texts);
  console.log(JSON.stringify({ seconds: performance.now() / 1000, peakBytes: peakBytes() }));
  process.exit(0);
}
console.log("ready");
for await (const _ of createInterface({ input: process.stdin })) {
  const start = performance.now();
  await run(texts);
  console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000, peakBytes: peakBytes() }));
}
