/** `tesserae bench`: latency and throughput of a model by batch size and length. */

import type { Command } from "commander";
import { RequestError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import { profileTable } from "../runtime/profile.ts";
import type { Session } from "../runtime/session.ts";
import { Catalog } from "../store/catalog.ts";
import { createCommand, runs, wholeNumber, wholeNumbers } from "./command.ts";
import { addDeviceOptions, type DeviceFlags, deviceOptions } from "./device-options.ts";
import { showCount, showTable } from "./format.ts";
import { type InputSizes, mostTokens, openWhole, randomFeeds, timeRuns, warmUp } from "./measure.ts";
import { Progress } from "./progress.ts";

interface BenchOptions extends DeviceFlags {
  readonly batch: number[];
  readonly length: number[];
  readonly runs: number;
  readonly profile?: boolean;
}

/** Times of one shape, in milliseconds, and rows (texts or pictures) computed in a second at the median. */
interface BenchRow extends InputSizes {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly rowsPerSecond: number;
}

export function benchCommand(): Command {
  const command = createCommand("bench <model>", "Measure latency and throughput on random inputs.", [
    "bench sst2 --batch 1,8 --length 32,128",
    "bench fashion-vit --batch 32 --device cuda --precision fp16",
    "bench reviews@2 --profile",
  ])
    .argument("<model>", "name, name@version, name@variant, or a folder")
    .option("--batch <sizes>", "texts or pictures of a batch, separated by commas", wholeNumbers(1), [1, 8])
    .option("--length <tokens>", "tokens of a text, separated by commas", wholeNumbers(1), [32, 128])
    .option("--runs <number>", "measured runs of each shape", wholeNumber(1), 20)
    .option("--profile", "print the time of every op too");
  addDeviceOptions(command);
  return runs<BenchOptions, [string]>(command, async ({ options, output }, ref) => {
    const found = await new Catalog().locate(ref);
    const { profile = false } = options;
    const { session, config, readsTexts } = await openWhole(found.folder, {
      ...deviceOptions(options),
      profile,
    });
    try {
      const lengths = readsTexts ? options.length : [1];
      assertLengths(lengths, config);
      const shapes = options.batch.flatMap((batch) => lengths.map((length) => ({ batch, length })));
      const progress = new Progress(output, "bench", shapes.length, "shapes");
      const rows: BenchRow[] = [];
      for (const sizes of shapes) {
        rows.push(await measure(session, config, sizes, options.runs));
        progress.update(rows.length);
      }
      progress.finish();
      const ops = profile ? await session.profile() : undefined;
      const table = readsTexts ? showTexts(rows) : showPictures(rows);
      const text = ops ? `${table}\n\n${profileTable(ops)}` : table;
      output.result({ model: found.ref, provider: session.provider, rows, ...(ops && { ops }) }, text);
    } finally {
      await session.release();
    }
    return 0;
  });
}

/** @throws RequestError when the model has no place for that many tokens. */
function assertLengths(lengths: readonly number[], config: ConfigJson): void {
  const most = mostTokens(config);
  const tooLong = lengths.find((length) => length > most);
  if (tooLong === undefined) return;
  throw new RequestError(`bench: --length ${tooLong} is more than the ${most} positions of the model`);
}

async function measure(
  session: Session,
  config: ConfigJson,
  sizes: InputSizes,
  count: number,
): Promise<BenchRow> {
  const feeds = randomFeeds(session, config, sizes);
  await warmUp(session, feeds);
  const times = await timeRuns(session, feeds, count);
  const p50Ms = quantile(times, 0.5);
  return { ...sizes, p50Ms, p95Ms: quantile(times, 0.95), rowsPerSecond: (1000 * sizes.batch) / p50Ms };
}

/** The smallest value that at least this share of the ascending values does not exceed. */
const quantile = (ascending: readonly number[], share: number): number =>
  ascending[Math.max(0, Math.ceil(share * ascending.length) - 1)]!;

function showTexts(rows: readonly BenchRow[]): string {
  const cells = rows.map(({ batch, length, p50Ms, p95Ms, rowsPerSecond }) => [
    String(batch),
    String(length),
    p50Ms.toFixed(2),
    p95Ms.toFixed(2),
    rowsPerSecond.toFixed(1),
    showCount(rowsPerSecond * length),
  ]);
  return showTable(["batch", "length", "p50 ms", "p95 ms", "texts/s", "tokens/s"], cells, [0, 1, 2, 3, 4, 5]);
}

function showPictures(rows: readonly BenchRow[]): string {
  const cells = rows.map(({ batch, p50Ms, p95Ms, rowsPerSecond }) => [
    String(batch),
    p50Ms.toFixed(2),
    p95Ms.toFixed(2),
    rowsPerSecond.toFixed(1),
  ]);
  return showTable(["batch", "p50 ms", "p95 ms", "pictures/s"], cells, [0, 1, 2, 3]);
}
