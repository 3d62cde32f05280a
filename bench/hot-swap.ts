/**
 * Hot swaps between two versions of a small model while it is asked: no answer may be lost, and memory must not grow.
 *
 *     npm run build && node --expose-gc --import tsx bench/hot-swap.ts [swaps, default 200]
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ModelPool } from "../src/serve/model-pool.ts";
import { Catalog } from "../src/store/catalog.ts";
import { ModelStore } from "../src/store/store.ts";

const swaps = Number(process.argv[2] ?? 200);
/** Swaps after which memory has its working size. */
const warmSwaps = Math.min(40, swaps / 5);
const bundled = "models/sst2";

/** Two versions of the bundled model that differ in a file that is not read. */
async function twoVersions(store: ModelStore): Promise<void> {
  const { cp, writeFile } = await import("node:fs/promises");
  for (const note of ["one", "two"]) {
    await store.add(
      "reviews",
      async (folder) => {
        await cp(bundled, folder, { recursive: true });
        await writeFile(join(folder, "note.txt"), note);
      },
      { task: "text-classification" },
    );
  }
}

const megabytes = (): number => {
  globalThis.gc?.();
  return Math.round(process.memoryUsage.rss() / 2 ** 20);
};

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const home = await mkdtemp(join(tmpdir(), "tesserae-swap-"));
const store = new ModelStore(home);
await twoVersions(store);
const pool = new ModelPool(new Catalog(store, join(home, "none")), [], {
  maxQueue: 100,
  session: { threads: 1 },
});

let [answers, failures, isDone] = [0, 0, false];
const asking = (async () => {
  while (!isDone) {
    const host = await pool.host("reviews");
    await host.predict({ inputs: `a fine film ${answers}`, parameters: {} }).then(
      () => answers++,
      (error) => {
        failures++;
        console.error(error);
      },
    );
    await sleep(20);
  }
})();

const [sizes, times]: [number[], number[]] = [[], []];
for (let swap = 1; swap <= swaps; swap++) {
  const startMs = performance.now();
  await pool.swap("reviews", `reviews@${1 + (swap % 2)}`);
  times.push(performance.now() - startMs);
  if (swap % 10 === 0) {
    sizes.push(megabytes());
    console.log(`${swap} swaps: ${sizes.at(-1)} MB, ${answers} answers, ${failures} lost`);
  }
}
isDone = true;
await asking;
await pool.closeAll();
await rm(home, { recursive: true });

const warm = sizes.slice(warmSwaps / 10);
const half = Math.floor(warm.length / 2);
const [early, late] = [median(warm.slice(0, half)), median(warm.slice(half))];
console.log(`one swap: ${Math.round(median(times))} ms (median)`);
console.log(
  `memory after ${warmSwaps} swaps: ${early} MB, in the last half: ${late} MB, × ${(late / early).toFixed(3)}`,
);
process.exit(failures === 0 && late <= 1.05 * early ? 0 : 1);
