/** `tesserae bench`: latency and throughput of a model by batch size and length. */

import type { Command } from "commander";
import { RequestError } from "../errors.ts";
import { type OpenModel, openModel } from "../models/open.ts";
import { profileTable } from "../runtime/profile.ts";
import type { Feeds } from "../runtime/session.ts";
import { Catalog } from "../store/catalog.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { createCommand, runs, wholeNumber, wholeNumbers } from "./command.ts";
import { showCount, showTable } from "./format.ts";
import { Progress } from "./progress.ts";

interface BenchOptions {
  readonly batch: number[];
  readonly length: number[];
  readonly runs: number;
  readonly threads?: number;
  readonly profile?: boolean;
}

/** Times of one shape, in milliseconds, and texts (rows) computed in a second at the median. */
interface BenchRow {
  readonly batch: number;
  readonly length: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly textsPerSecond: number;
  readonly tokensPerSecond: number;
}

const warmUpRuns = 2;

export function benchCommand(): Command {
  const command = createCommand("bench <model>", "Measure latency and throughput with random tokens.", [
    "bench sst2 --batch 1,8 --length 32,128",
    "bench reviews@2 --profile",
  ])
    .argument("<model>", "name, name@version, or a folder")
    .option("--batch <sizes>", "texts of a batch, separated by commas", wholeNumbers(1), [1, 8])
    .option("--length <tokens>", "tokens of a text, separated by commas", wholeNumbers(1), [32, 128])
    .option("--runs <number>", "measured runs of each shape", wholeNumber(1), 20)
    .option("--threads <number>", "threads of ONNX Runtime; default: all", wholeNumber(1))
    .option("--profile", "print the time of every op too");
  return runs<BenchOptions, [string]>(command, async ({ options, output }, ref) => {
    const found = await new Catalog().locate(ref);
    const { threads, profile = false } = options;
    const model = await openModel(found.folder, { profile, ...(threads !== undefined && { threads }) });
    try {
      assertLengths(options.length, model);
      const shapes = options.batch.flatMap((batch) => options.length.map((length) => ({ batch, length })));
      const progress = new Progress(output, "bench", shapes.length, "shapes");
      const rows: BenchRow[] = [];
      for (const { batch, length } of shapes) {
        rows.push(await measure(model, batch, length, options.runs));
        progress.update(rows.length);
      }
      progress.finish();
      const ops = profile ? await model.session.profile() : undefined;
      const text = ops ? `${showRows(rows)}\n\n${profileTable(ops)}` : showRows(rows);
      output.result({ model: found.ref, provider: model.session.provider, rows, ...(ops && { ops }) }, text);
    } finally {
      await model.session.release();
    }
    return 0;
  });
}

/** @throws RequestError when the model has no position embeddings for that many tokens. */
function assertLengths(lengths: readonly number[], { config }: OpenModel): void {
  const most = Number(config.max_position_embeddings ?? Number.POSITIVE_INFINITY);
  const tooLong = lengths.find((length) => length > most);
  if (tooLong === undefined) return;
  throw new RequestError(`bench: --length ${tooLong} is more than the ${most} positions of the model`);
}

async function measure(model: OpenModel, batch: number, length: number, count: number): Promise<BenchRow> {
  const feeds = randomFeeds(model, batch, length);
  for (let run = 0; run < warmUpRuns; run++) await model.session.run(feeds);
  const times: number[] = [];
  for (let run = 0; run < count; run++) {
    const start = performance.now();
    await model.session.run(feeds);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const p50Ms = quantile(times, 0.5);
  const textsPerSecond = (1000 * batch) / p50Ms;
  const tokensPerSecond = textsPerSecond * length;
  return { batch, length, p50Ms, p95Ms: quantile(times, 0.95), textsPerSecond, tokensPerSecond };
}

/** The smallest value that at least this share of the ascending values does not exceed. */
const quantile = (ascending: readonly number[], share: number): number =>
  ascending[Math.max(0, Math.ceil(share * ascending.length) - 1)]!;

/** Every axis named "length" has that many tokens, "batch" that many rows, any other 2. */
function randomFeeds({ session, tokenizer }: OpenModel, batch: number, length: number): Feeds {
  const random = new Random(0);
  const sizes: Record<string, number> = { batch, length };
  return Object.fromEntries(
    session.inputs.map(({ name, dtype, shape }) => {
      const dims = shape.map((axis) => (typeof axis === "number" ? axis : (sizes[axis] ?? 2)));
      const tensor = Tensor.zeros(dtype, dims);
      if (name === "token_type_ids") return [name, tensor];
      const draw = (): number => (name === "input_ids" ? random.integer(tokenizer.vocabSize) : 1);
      return [name, Tensor.from(dtype, dims, Array.from({ length: tensor.size }, draw))];
    }),
  );
}

function showRows(rows: readonly BenchRow[]): string {
  const cells = rows.map((row) => [
    String(row.batch),
    String(row.length),
    row.p50Ms.toFixed(2),
    row.p95Ms.toFixed(2),
    row.textsPerSecond.toFixed(1),
    showCount(row.tokensPerSecond),
  ]);
  const header = ["batch", "length", "p50 ms", "p95 ms", "texts/s", "tokens/s"];
  return showTable(header, cells, [0, 1, 2, 3, 4, 5]);
}
