/**
 * BLIP's captions with random weights: time per token from a decoder that keeps keys and values, against one that
 * computes all tokens before it again, over the same picture's states. The best of several rounds of each, alternating.
 * Usage: npm run build && node --import tsx bench/captioning.ts
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDecoder } from "../src/generation/open-decoder.ts";
import { input } from "../src/graph/node.ts";
import { argMax } from "../src/graph/ops/reduce.ts";
import { slice } from "../src/graph/ops/shape.ts";
import type { BlipForConditionalGeneration } from "../src/models/blip.ts";
import { readConfig } from "../src/models/config.ts";
import { encodeGraph } from "../src/models/open.ts";
import { architectureOf } from "../src/models/registry.ts";
import { storedNames, usedGraph } from "../src/models/trace.ts";
import { Context } from "../src/nn/context.ts";
import { OrtSession } from "../src/runtime/ort-session.ts";
import { symbol } from "../src/tensor/dims.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { writeRandom } from "./write-random.ts";

const layers = { hidden_size: 384, intermediate_size: 1536, num_attention_heads: 6 };
const config = {
  architectures: ["BlipForConditionalGeneration"],
  model_type: "blip",
  text_config: { ...layers, num_hidden_layers: 6, vocab_size: 8000, bos_token_id: 1, sep_token_id: 2 },
  vision_config: { ...layers, num_hidden_layers: 2, image_size: 224, patch_size: 16 },
};
const [imageTokens, captionTokens, rounds] = [197, 20, 7];

/** Milliseconds of each token of a caption. */
async function kept(folder: string): Promise<number[]> {
  const decoder = await openDecoder(folder);
  const pixel_values = Tensor.zeros("float32", [3, 224, 224]);
  await decoder.add([{ ids: [1], source: { pixel_values } }], ["token"]);
  const times: number[] = [];
  for (let token = 1; token < captionTokens; token++)
    times.push(await milliseconds(() => decoder.step([token], ["token"])));
  await decoder.release();
  return times;
}

/** The same of a session that reads all tokens so far and the picture's states. */
async function again(folder: string): Promise<number[]> {
  const session = await wholeDecoder(folder);
  const image_embeds = Tensor.zeros("float32", [1, imageTokens, layers.hidden_size]);
  const times: number[] = [];
  for (let token = 1; token < captionTokens; token++) {
    const ids = Array.from({ length: token + 1 }, (_, at) => at + 1);
    const feeds = { input_ids: Tensor.from("int64", [1, ids.length], ids), image_embeds };
    times.push(await milliseconds(() => session.run(feeds)));
  }
  await session.release();
  return times;
}

/** `input_ids` [B, T] and `image_embeds` [B, S, D] → `token` [B], the likeliest after the last. */
async function wholeDecoder(folder: string): Promise<OrtSession> {
  const architecture = architectureOf(await readConfig(folder));
  const model = architecture.build(config) as BlipForConditionalGeneration;
  const ids = input("input_ids", "int64", [symbol("batch"), symbol("length")]);
  const source = input("image_embeds", "float32", [symbol("batch"), imageTokens, layers.hidden_size]);
  const logits = model.decoder.forward(Context.inference(), ids, undefined, source);
  const token = argMax(slice(logits, 1, -1)); // only the last token's scores are computed
  const graph = usedGraph({ token }, [ids, source], storedNames(architecture, model));
  return OrtSession.open({ ...(await encodeGraph(folder, architecture, graph)), name: folder });
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/** Each token's best time of all rounds, summed. */
const bestSum = (rounds: readonly number[][]): number =>
  rounds[0]!.reduce((sum, _, token) => sum + Math.min(...rounds.map((times) => times[token]!)), 0);

const folder = mkdtempSync(join(tmpdir(), "tesserae-bench-"));
try {
  await writeRandom(folder, config);
  const times = { kept: [] as number[][], again: [] as number[][] };
  for (let round = 0; round < rounds; round++) {
    times.kept.push(await kept(folder));
    times.again.push(await again(folder));
  }
  const tokens = captionTokens - 1;
  const [cached, recomputed] = [bestSum(times.kept) / tokens, bestSum(times.again) / tokens];
  const ratio = (cached / recomputed).toFixed(2);
  console.log(
    `caption of ${captionTokens} tokens: ${cached.toFixed(2)} ms a token, ${recomputed.toFixed(2)} ms ` +
      `when the prefix is computed again: ${ratio} × (bar 0.5 ×)`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
