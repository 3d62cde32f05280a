/**
 * Pictures in inference, alternating in one run on the same random weights: forward passes of batch 8 against
 * transformers.js (over the folder that `tesserae export` writes) and PyTorch, and photos from their files to labels.
 * Usage: npm run build && node --import tsx bench/vision.ts [--runs 7 --data folder]; `data` holds coco_mini/ with the
 * photos, default ../shared/data.
 */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { exportModel } from "../src/export/export.ts";
import { type Answer, markdownTable, megabytes, milliseconds, Peer, takeTurns } from "./peer.ts";
import { readPhotos } from "./photos.ts";
import { checkParameters, startTorch } from "./torch-vision.ts";
import { visionModels } from "./vision-models.ts";
import { writeRandom } from "./write-random.ts";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "7" }, data: { type: "string", default: "../shared/data" } },
});
const runs = Number(values.runs);
const scratch = mkdtempSync(join(tmpdir(), "tesserae-vision-"));
const worker = fileURLToPath(new URL("./vision-worker.mjs", import.meta.url));
const batch = 8;
const photoCount = 64;

const preprocessor = {
  image_processor_type: "ViTImageProcessor",
  do_resize: true,
  size: { height: 224, width: 224 },
  resample: 2,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
};

/** A model of random weights: our folder, and the one that is exported for transformers.js. */
async function writeModel(name: string): Promise<{ own: string; exported: string }> {
  const own = await writeRandom(join(scratch, `${name.replaceAll("/", "-")}`), visionModels[name]!.config);
  await writeFile(join(own, "preprocessor_config.json"), JSON.stringify(preprocessor));
  const exported = `${own}-exported`;
  if (!existsSync(exported)) await exportModel(own, exported, { format: "transformers.js", name });
  return { own, exported };
}

async function start(library: string, folder: string, work: object): Promise<Peer> {
  const peer = await Peer.start(process.execPath, [worker, library, folder, JSON.stringify(work)]);
  if (!peer) throw new Error(`${library} did not start`);
  return peer;
}

/** Ours and transformers.js on some work, and others. */
async function measure(name: string, work: object, others: readonly Peer[] = []): Promise<Answer[]> {
  const { own, exported } = await writeModel(name);
  const both = [await start("tesserae", own, work), await start("transformers.js", exported, work)];
  const peers = [...both, ...others];
  const answers = await takeTurns(peers, runs, 2);
  for (const peer of peers) peer.stop();
  return answers;
}

const ratio = (ours: Answer, theirs: Answer | undefined): string =>
  theirs ? (ours.seconds / theirs.seconds).toFixed(2) : "–";

async function forward(name: string): Promise<string[]> {
  const torch = await startTorch(name, batch, false);
  const work = { batch, side: visionModels[name]!.side };
  const [ours, js, py] = (await measure(name, work, torch ? [torch] : [])) as [Answer, Answer, Answer?];
  if (py) checkParameters(name, py);
  const differences = ours.logits!.map((value, at) => Math.abs(value - js.logits![at]!));
  return [
    name,
    milliseconds(ours.seconds),
    milliseconds(js.seconds),
    ratio(ours, js),
    py ? milliseconds(py.seconds) : "–",
    ratio(ours, py),
    Math.max(...differences).toExponential(1),
  ];
}

async function photos(name: string): Promise<string[]> {
  const folder = join(scratch, "photos");
  await mkdir(folder);
  const paths = await Promise.all(
    (await readPhotos(resolve(values.data), photoCount)).map(async (bytes, at) => {
      const path = join(folder, `${at}.jpg`);
      await writeFile(path, bytes);
      return path;
    }),
  );
  const [ours, js] = (await measure(name, { photos: paths })) as [Answer, Answer];
  return [
    `${name}, ${photoCount} JPEG files`,
    milliseconds(ours.seconds),
    milliseconds(js.seconds),
    ratio(ours, js),
    megabytes(ours.peakBytes),
    megabytes(js.peakBytes),
  ];
}

try {
  const rows: string[][] = [];
  for (const name of ["ViT-B/16", "Swin-T", "MobileViT-S"]) rows.push(await forward(name));
  const header = ["Tesserae", "transformers.js", "ratio"];
  console.log(
    markdownTable(
      [`forward, batch ${batch}`, ...header, "PyTorch", "ratio", "largest difference of logits"],
      rows,
    ),
  );
  console.log("");
  const pipeline = await photos("ViT-B/16");
  console.log(markdownTable(["files to labels", ...header, "peak memory", "transformers.js"], [pipeline]));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(0);
