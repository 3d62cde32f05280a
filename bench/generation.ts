/**
 * Generation with random weights: time per token late and early, batches and beams against single sentences, and GPT-2
 * against the time to read its weights once. Each time is the best of several rounds: other work only ever adds to it.
 * Usage: npm run build && node --import tsx bench/generation.ts [small|gpt2]
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { openDecoder } from "../src/generation/open-decoder.ts";
import type { GenerationOptions } from "../src/generation/options.ts";
import { ThreadedGenerator } from "../src/generation/threaded-generator.ts";
import type { ConfigJson } from "../src/models/config.ts";
import { availableThreads } from "../src/runtime/threads.ts";
import { Random } from "../src/tensor/random.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { writeRandom } from "./write-random.ts";

const scratch = mkdtempSync(join(tmpdir(), "tesserae-bench-"));

/** 11 M parameters: about the size of a translation model for Multi30k. */
const small: ConfigJson = {
  architectures: ["MarianMTModel"],
  model_type: "marian",
  vocab_size: 8000,
  d_model: 256,
  encoder_layers: 4,
  decoder_layers: 4,
  encoder_attention_heads: 8,
  decoder_attention_heads: 8,
  encoder_ffn_dim: 1024,
  decoder_ffn_dim: 1024,
  max_position_embeddings: 512,
  pad_token_id: 7999,
  decoder_start_token_id: 7999,
  eos_token_id: 0,
  init_std: 0.1,
};

const gpt2: ConfigJson = { architectures: ["GPT2LMHeadModel"], model_type: "gpt2" };

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const best = (times: readonly number[]): number => Math.min(...times);

const show = (name: string, value: string, bar: string): void =>
  console.log(`${name.padEnd(52)}${value.padEnd(44)}${bar}`);

/** Best time of a greedy step for one row with so many tokens behind it. */
async function stepsAt(folder: string, positions: readonly number[], source: boolean): Promise<number[]> {
  const decoder = await openDecoder(folder);
  const ids = Array.from({ length: 20 }, (_, at) => at + 1);
  const row = { ids: [1], ...(source && { source: { input_ids: Tensor.from("int64", [20], ids) } }) };
  await decoder.add([row], ["token"]);
  const times: number[] = [];
  for (let position = 1; position < Math.max(...positions) + 8; position++) {
    times.push(await milliseconds(() => decoder.step([position], ["token"])));
  }
  await decoder.release();
  return positions.map((position) => best(times.slice(position - 8, position + 8)));
}

/** Sentences of 8 to 24 tokens, translated to as many. */
function sentences(count: number): { source: { input_ids: Tensor } }[] {
  const random = new Random(1);
  return Array.from({ length: count }, () => {
    const length = 8 + random.integer(17);
    const ids = Array.from({ length }, () => 1 + random.integer(7900));
    return { source: { input_ids: Tensor.from("int64", [length], ids) } };
  });
}

async function benchSmall(): Promise<void> {
  const folder = await writeRandom(join(scratch, "small"), small);
  const rounds = 9;
  const late: number[] = [];
  const early: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const [at16, at200] = (await stepsAt(folder, [16, 200], true)) as [number, number];
    early.push(at16);
    late.push(at200);
  }
  const [at16, at200] = [best(early), best(late)];
  show(
    "one token at position 16 and 200",
    `${at16.toFixed(2)} and ${at200.toFixed(2)} ms, ${(at200 / at16).toFixed(2)} ×`,
    "≤ 1.3 ×",
  );

  const generator = await ThreadedGenerator.open(folder);
  const options: GenerationOptions = { max_new_tokens: 24, eos_token_id: [] };
  const together = async () =>
    (await generator.generate(sentences(16), options)).map(([best]) => best!.ids.join());
  const apart = async (extra: GenerationOptions = {}) => {
    const ids: string[] = [];
    for (const sentence of sentences(16)) {
      const [[best] = []] = await generator.generate([sentence], { ...options, ...extra });
      ids.push(best!.ids.join());
    }
    return ids;
  };
  const times = { together: [] as number[], apart: [] as number[], beams: [] as number[] };
  let areEqual = true;
  for (let round = -1; round < rounds; round++) {
    const results: string[][] = [];
    const batch = await milliseconds(async () => results.push(await together()));
    const single = await milliseconds(async () => results.push(await apart()));
    const beams = await milliseconds(() => apart({ num_beams: 4 }));
    areEqual &&= results[0]!.join("|") === results[1]!.join("|");
    if (round < 0) continue; // warms up
    times.together.push(batch);
    times.apart.push(single);
    times.beams.push(beams);
  }
  const [batch, single, beams] = [best(times.together), best(times.apart), best(times.beams)];
  const equality = areEqual ? "identical ids" : "DIFFERENT ids";
  show(
    "16 sentences in one batch and one at a time",
    `${batch.toFixed(0)} and ${single.toFixed(0)} ms, ${(batch / single).toFixed(2)} ×, ${equality}`,
    "≤ 0.35 ×",
  );
  show(
    "beam 4 and greedy, one sentence at a time",
    `${beams.toFixed(0)} and ${single.toFixed(0)} ms, ${(beams / single).toFixed(2)} ×`,
    "≤ 2.2 ×",
  );
  await generator.release();
}

/** Threads that read 512 MiB of memory: a search for a byte that is not there. */
class Reader {
  private static readonly sizeBytes = 2 ** 29;
  private readonly workers: Worker[];

  constructor() {
    const memory = new SharedArrayBuffer(Reader.sizeBytes);
    const size = Reader.sizeBytes / availableThreads();
    const code = `const { parentPort, workerData: { memory, first, size } } = require("node:worker_threads");
      const bytes = Buffer.from(memory, first, size).fill(1);
      parentPort.on("message", () => { bytes.indexOf(2); parentPort.postMessage(0); });`;
    this.workers = Array.from(
      { length: availableThreads() },
      (_, at) => new Worker(code, { eval: true, workerData: { memory, first: at * size, size } }),
    );
  }

  /** The best bandwidth of a few readings, in bytes per millisecond. */
  async bandwidth(): Promise<number> {
    const times: number[] = [];
    for (let reading = 0; reading < 6; reading++) times.push(await milliseconds(() => this.read()));
    return Reader.sizeBytes / best(times);
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  private async read(): Promise<void> {
    const done = this.workers.map((worker) => new Promise((resolve) => worker.once("message", resolve)));
    for (const worker of this.workers) worker.postMessage(0);
    await Promise.all(done);
  }
}

/** Readings and steps alternate, since other users of the machine take bandwidth from both; the ratio is the rounds' median. */
async function benchGpt2(): Promise<void> {
  const folder = await writeRandom(join(scratch, "gpt2"), gpt2);
  const weightBytes = 124_439_808 * 4;
  const reader = new Reader();
  await reader.bandwidth();
  const rounds: { step: number; reading: number }[] = [];
  for (let round = 0; round < 9; round++) {
    const reading = weightBytes / (await reader.bandwidth());
    const [step] = (await stepsAt(folder, [32], false)) as [number];
    rounds.push({ step, reading });
  }
  await reader.close();
  rounds.sort((a, b) => a.step / a.reading - b.step / b.reading);
  const { step, reading } = rounds[4]!;
  show(
    `GPT-2 124M, one token, reading at ${(weightBytes / reading / 1e6).toFixed(1)} GB/s`,
    `${step.toFixed(1)} and ${reading.toFixed(1)} ms, ${(step / reading).toFixed(2)} ×`,
    "≤ 1.5 ×",
  );
}

try {
  const [, , which] = process.argv;
  if (which !== "gpt2") await benchSmall();
  if (which !== "small") await benchGpt2();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(0);
