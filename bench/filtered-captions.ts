/**
 * Whether CapFilt's clean pairs train a better model than the noisy ones: 30 % of the emoji pairs get another's caption, a
 * BLIP filters them, and the same CLIP learns from the noisy, the filtered and, for comparison, the untouched pairs, for the
 * same number of updates.
 * Usage: npm run build && node --import tsx bench/filtered-captions.ts emoji-blip [--epochs 20] [--data ../shared/data/emoji]
 */

import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { imageTextPairs } from "../src/data/image-text-pairs.ts";
import { ShardWriter } from "../src/data/write-shards.ts";
import { ImageDecoder } from "../src/vision/decode.ts";
import { withOthersCaptions } from "./noisy-captions.ts";
import { markdownTable } from "./peer.ts";

/** What CapFilt leaves in `report.json`. */
interface Report {
  readonly pictures: { readonly judged: number; readonly kept: number };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string", default: "../shared/data/emoji" },
    epochs: { type: "string", default: "20" },
    threads: { type: "string" },
  },
});
const filter = positionals[0] ?? "emoji-blip";
const data = resolve(values.data);
const scratch = await mkdtemp(join(tmpdir(), "tesserae-filtered-"));
const threads = values.threads ? ["--threads", values.threads] : [];

/** What the command prints as JSON. */
function tesserae(...args: string[]): unknown {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["dist/cli/main.js", ...args, ...threads, "--json", "--quiet"],
    { encoding: "utf8", maxBuffer: 2 ** 28 },
  );
  if (status !== 0) throw new Error(`tesserae ${args.join(" ")}: ${stderr}`);
  return JSON.parse(stdout);
}

/** Shards of the training pairs, some with another's caption. */
async function writePairs(name: string, wrongShare: number): Promise<string> {
  const folder = join(scratch, name);
  await mkdir(folder);
  const decoder = new ImageDecoder({}, [255, 255, 255]);
  const { pairs } = await imageTextPairs(join(data, "train.tar.gz"), decoder);
  const { captions, wrong } = withOthersCaptions(pairs, wrongShare);
  const shards = new ShardWriter(folder);
  for (const [at, pair] of pairs.entries()) {
    const json = JSON.stringify({ caption: captions[at], is_wrong: wrong.has(at) });
    await shards.add({ png: (await pair.load()) as Uint8Array, json: Buffer.from(json) });
  }
  await shards.close();
  return folder;
}

/** Recall at 10 of pictures by text, of a CLIP that learned from these pairs; fewer pairs are seen more often. */
function recallOf(name: string, pairs: string, share: number): number[] {
  const output = join(scratch, `${name}-run`);
  const epochs = String(Math.round(Number(values.epochs) / share));
  const own = ["--data", pairs, "--epochs", epochs, "--output", output, "--name", `clip-${name}`];
  tesserae("train", "--config", recipe, ...own);
  return ["test-variants", "test-unseen"].map((split) => {
    const found = tesserae("eval", join(output, "best"), "--data", join(data, `${split}.tar.gz`));
    return 100 * (found as { metrics: Record<string, number> }).metrics["text_to_image_recall@10"]!;
  });
}

/** That of the bundled CLIP, without keywords: a filter judges captions. */
const recipe = join(scratch, "clip.yaml");
const settings = await readFile("examples/emoji-clip.yaml", "utf8");
await writeFile(recipe, settings.replace(/^(keyword-column|validation|data|name|evaluate-every):.*\n/gm, ""));

process.env.TESSERAE_HOME = join(scratch, "home");
try {
  const clean = await writePairs("clean", 0);
  const noisy = await writePairs("noisy", 0.3);
  const filtered = join(scratch, "filtered");
  tesserae("capfilt", resolve(filter), "--data", noisy, "--out", filtered, "--no-captions");
  const { pictures } = JSON.parse(await readFile(join(filtered, "report.json"), "utf8")) as Report;
  const kept = pictures.kept / pictures.judged;
  console.log(`${(100 * kept).toFixed(1)} % of the pairs are kept`);
  const sets: [name: string, pairs: string, share: number][] = [
    ["noisy", noisy, 1],
    ["filtered", filtered, kept],
    ["clean", clean, 1],
  ];
  const rows = sets.map(([name, ...set]) => [
    name,
    ...recallOf(name, ...set).map((recall) => recall.toFixed(1)),
  ]);
  console.log(markdownTable(["trained on", "recall@10, variants", "recall@10, unseen"], rows));
} finally {
  await rm(scratch, { recursive: true });
}
