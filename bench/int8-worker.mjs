/**
 * One forward pass per line of standard input. Arguments: "tesserae" or "transformers.js" (its q8), model folder, and as
 * JSON {"batch", "length"} for texts or {"batch", "side"} for pictures of side × side.
 */

import { basename, dirname } from "node:path";
import { createInterface } from "node:readline";

const [library, folder, json] = process.argv.slice(2);
const { batch, length, side } = JSON.parse(json);

/** Feeds of random pixels, or of ids that differ, through the library's own kind of tensor. */
function feeds(tensor) {
  if (side) {
    const pixels = Float32Array.from({ length: batch * 3 * side * side }, (_, at) => Math.sin(at * 0.37));
    return { pixel_values: tensor("float32", pixels, [batch, 3, side, side]) };
  }
  const ids = (value) =>
    tensor(
      "int64",
      BigInt64Array.from({ length: batch * length }, (_, at) => value(BigInt(at))),
      [batch, length],
    );
  return {
    input_ids: ids((at) => (at * 7919n) % 30000n),
    attention_mask: ids(() => 1n),
    token_type_ids: ids(() => 0n),
  };
}

async function openTesserae() {
  const { openImageModel, openModel } = await import("../dist/models/open.js");
  const { Tensor } = await import("../dist/tensor/tensor.js");
  const { session } = await (side ? openImageModel : openModel)(folder);
  const given = feeds((dtype, data, shape) => new Tensor(dtype, shape, data));
  return () => session.run(given);
}

async function openTransformersJs() {
  const { AutoModel, env, Tensor } = await import("@huggingface/transformers");
  env.allowRemoteModels = false;
  env.localModelPath = `${dirname(folder)}/`;
  const model = await AutoModel.from_pretrained(basename(folder), { dtype: "q8" });
  const given = feeds((dtype, data, shape) => new Tensor(dtype, data, shape));
  return () => model(given);
}

const run = await { tesserae: openTesserae, "transformers.js": openTransformersJs }[library]();
console.log("ready");
for await (const _ of createInterface({ input: process.stdin })) {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  await run();
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - start) / 1000;
  console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, peakBytes: 0 }));
}
