/**
 * CLIP ViT-B/32 with random weights: pictures and texts to vectors against transformers.js on the same weights, and the
 * class of a picture among 1,000 labels, whose vectors are kept, against the image tower alone. Programs take turns.
 * Usage: npm run build && node --import tsx bench/clip.ts [--runs 15]
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { exportModel } from "../src/export/export.ts";
import { trainTokenizerOnTexts } from "../src/text/train-tokenizer.ts";
import { alternate, type Comparison, markdownTable, milliseconds, Peer } from "./peer.ts";
import { writeRandom } from "./write-random.ts";

const { values } = parseArgs({ options: { runs: { type: "string", default: "15" } } });
const runs = Number(values.runs);
const scratch = await mkdtemp(join(tmpdir(), "tesserae-clip-"));
const worker = fileURLToPath(new URL("./clip-worker.mjs", import.meta.url));
const [folder, exported] = [join(scratch, "clip"), join(scratch, "exported")];

/** As the published model's. */
const preprocessor = {
  image_processor_type: "CLIPImageProcessor",
  do_resize: true,
  size: { shortest_edge: 224 },
  resample: 3,
  do_center_crop: true,
  crop_size: { height: 224, width: 224 },
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
};

/** Writes the model and, beside it, the folder for transformers.js. */
async function writeModels(): Promise<void> {
  const config = { architectures: ["CLIPModel"], model_type: "clip", text_config: {}, vision_config: {} };
  await writeRandom(folder, config);
  await writeFile(join(folder, "preprocessor_config.json"), JSON.stringify(preprocessor));
  const texts = ["This is a photo of label number 0123456789."]; // ids are given to the towers
  await (await trainTokenizerOnTexts(texts, { kind: "clip", vocabSize: 560 })).save(folder);
  await exportModel(folder, exported, { format: "transformers.js", name: "bench" });
}

async function compare(
  ours: readonly [folder: string, work: object],
  theirs: readonly [library: string, folder: string, work: object],
): Promise<Comparison> {
  const start = async (library: string, at: string, work: object): Promise<Peer> => {
    const peer = await Peer.start(process.execPath, [
      "--import",
      "tsx",
      worker,
      library,
      at,
      JSON.stringify(work),
    ]);
    if (!peer) throw new Error(`${library} did not start`);
    return peer;
  };
  const peers = [await start("tesserae", ...ours), await start(...theirs)] as const;
  const result = await alternate(...peers, runs, 2);
  for (const peer of peers) peer.stop();
  return result;
}

const row = (name: string, against: string, { ours, theirs }: Comparison): string[] => [
  name,
  against,
  milliseconds(ours.seconds),
  milliseconds(theirs.seconds),
  (ours.seconds / theirs.seconds).toFixed(2),
];

/** One tower's row. @throws Error when the libraries' vectors differ. */
async function towerRow(name: string, work: object): Promise<string[]> {
  const result = await compare([folder, work], ["transformers.js", exported, work]);
  const theirs = result.theirs.features!;
  const difference = Math.max(...result.ours.features!.map((value, at) => Math.abs(value - theirs[at]!)));
  if (difference > 1e-4) throw new Error(`${name}: vectors differ by ${difference}`);
  return row(name, "transformers.js", result);
}

try {
  await writeModels();
  const rows: string[][] = [];
  for (const batch of [1, 8]) rows.push(await towerRow(`pictures, batch ${batch}`, { batch }));
  for (const length of [12, 77]) {
    for (const batch of [1, 8])
      rows.push(await towerRow(`texts of ${length} tokens, batch ${batch}`, { batch, length }));
  }
  const zeroShot = await compare([folder, { labels: 1000 }], ["tesserae", folder, { batch: 1 }]);
  rows.push(row("a picture among 1,000 labels", "our image tower", zeroShot));
  console.log(markdownTable(["CLIP ViT-B/32", "against", "Tesserae", "other", "time ratio"], rows));
} finally {
  await rm(scratch, { recursive: true, force: true });
}
process.exit(0);
