/**
 * The whole path of photos through a BLIP: captions, retrieval both ways with and without a closer look, and answers to
 * questions, which are made of the captions (is there a dog in the picture?). A BLIP that writes captions and matches
 * answers questions with the same weights, untrained for it, unless another model is given.
 * Usage: npm run build && node --import tsx bench/photo-tasks.ts --model emoji-blip [--answerer MODEL]
 *   [--photos ../shared/data/coco_mini/val.tar] [--count 122]
 */

import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { imageTextPairs } from "../src/data/image-text-pairs.ts";
import { readConfig } from "../src/models/config.ts";
import { Catalog } from "../src/store/catalog.ts";
import { ImageDecoder } from "../src/vision/decode.ts";
import { readPreprocessor } from "../src/vision/preprocessor-config.ts";
import { markdownTable } from "./peer.ts";
import { photoScores } from "./photo-scores.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "emoji-blip" },
    answerer: { type: "string" },
    photos: { type: "string", default: "../shared/data/coco_mini/val.tar" },
    count: { type: "string", default: "122" },
  },
});

const sharedFiles = [
  "model.safetensors",
  "tokenizer.json",
  "tokenizer_config.json",
  "preprocessor_config.json",
];

/** A folder of the model that answers questions with the weights of another class. */
async function answererOver(folder: string): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "answerer-"));
  const config = { ...(await readConfig(folder)), architectures: ["BlipForQuestionAnswering"] };
  await writeFile(join(made, "config.json"), JSON.stringify(config));
  for (const name of sharedFiles) await symlink(resolve(folder, name), join(made, name));
  return made;
}

const catalog = new Catalog();
const folderOf = async (name: string): Promise<string> => (await catalog.locate(name)).folder;
const folder = await folderOf(values.model);
const { background } = await readPreprocessor(folder);
const { pairs, badRows } = await imageTextPairs(values.photos, new ImageDecoder({}, background));
const photos = pairs.slice(0, Number(values.count));
const own = values.answerer === undefined ? await answererOver(folder) : undefined;
try {
  const answerer = own ?? (await folderOf(values.answerer!));
  const started = performance.now();
  const scores = await photoScores(photos, { captioner: folder, matcher: folder, answerer });
  const rows = Object.entries(scores).map(([name, value]) => [
    name,
    Number.isInteger(value) ? `${value}` : value.toFixed(4),
  ]);
  console.log(markdownTable(["figure", values.model], rows));
  console.log(`${badRows.length} photos left out; ${((performance.now() - started) / 1000).toFixed(0)} s`);
} finally {
  if (own) await rm(own, { recursive: true });
}
