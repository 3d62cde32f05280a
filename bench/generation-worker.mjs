/**
 * Greedy generation per line of standard input. Arguments: library, model folder, work as JSON: {"ids", "tokens"} and,
 * for an encoder–decoder, "isSource": true where `ids` are what it translates.
 */

import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { createInterface } from "node:readline";

const [library, folder, json] = process.argv.slice(2);
const { ids, tokens, isSource = false } = JSON.parse(json);

async function openTesserae() {
  const { ThreadedGenerator } = await import("../dist/generation/threaded-generator.js");
  const { Tensor } = await import("../dist/tensor/tensor.js");
  const generator = await ThreadedGenerator.open(folder);
  const prompt = () =>
    isSource ? { source: { input_ids: Tensor.from("int64", [ids.length], ids) } } : { ids };
  return async () => {
    const [[best]] = await generator.generate([prompt()], {
      max_new_tokens: tokens,
      eos_token_id: [],
      num_beams: 1,
    });
    return [...best.ids];
  };
}

async function openTransformersJs() {
  const { AutoModelForCausalLM, AutoModelForSeq2SeqLM, env, Tensor } = await import(
    "@huggingface/transformers"
  );
  env.allowRemoteModels = false;
  env.localModelPath = `${dirname(folder)}/`;
  const Model = isSource ? AutoModelForSeq2SeqLM : AutoModelForCausalLM;
  const model = await Model.from_pretrained(basename(folder), { dtype: "fp32" });
  const int64 = (values) => new Tensor("int64", values.map(BigInt), [1, values.length]);
  return async () => {
    const inputs = { inputs: int64(ids), attention_mask: int64(ids.map(() => 1)) };
    const { data } = await model.generate({ ...inputs, max_new_tokens: tokens, eos_token_id: [] });
    return Array.from(data, Number).slice(isSource ? 1 : ids.length);
  };
}

const open = { tesserae: openTesserae, "transformers.js": openTransformersJs }[library];
const run = await open();
const peakBytes = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;

console.log("ready");
for await (const _ of createInterface({ input: process.stdin })) {
  const start = performance.now();
  const generated = await run();
  console.log(
    JSON.stringify({ seconds: (performance.now() - start) / 1000, peakBytes: peakBytes(), ids: generated }),
  );
}
