/**
 * A BLIP on emoji: its captions against that of the nearest training picture (by pixels, and by the model's own image
 * vectors), retrieval with and without a close look, and CapFilt on pairs of which 30 % have another's caption.
 * Usage: npm run build && node --import tsx bench/emoji-captions.ts emoji-blip [--data ../shared/data/emoji]
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { type ImageTextPair, imageTextPairs } from "../src/data/image-text-pairs.ts";
import { loadPixels } from "../src/data/images.ts";
import { Catalog } from "../src/store/catalog.ts";
import { judgeCaptions } from "../src/tasks/capfilt.ts";
import { ImageTextMatcher } from "../src/tasks/image-text-matcher.ts";
import { rerankingScores } from "../src/tasks/reranking.ts";
import { writeCaptions } from "../src/tasks/write-captions.ts";
import { captionMetrics } from "../src/train/metrics/captions.ts";
import { ImageDecoder } from "../src/vision/decode.ts";
import { withOthersCaptions } from "./noisy-captions.ts";
import { markdownTable } from "./peer.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { data: { type: "string", default: "../shared/data/emoji" } },
});
const { folder } = await new Catalog().locate(positionals[0] ?? "emoji-blip");
const matcher = await ImageTextMatcher.open(folder);
const decoder = new ImageDecoder({}, matcher.preprocessor.plan.background);

const pairsOf = async (split: string): Promise<readonly ImageTextPair[]> =>
  (await imageTextPairs(join(values.data, `${split}.tar.gz`), decoder)).pairs;

type Vector = ArrayLike<number>;

/** Pixels and image vectors of some pairs. */
async function seen(pairs: readonly ImageTextPair[]): Promise<{ pixels: Vector[]; features: Vector[] }> {
  const vectors = { pixels: [] as Vector[], features: [] as Vector[] };
  for (const pair of pairs) {
    const image = await loadPixels(pair, decoder);
    vectors.pixels.push(matcher.preprocessor.batch([image]).data as Float32Array);
    vectors.features.push((await matcher.see(image)).features);
  }
  return vectors;
}

function nearest(vector: Vector, others: readonly Vector[]): number {
  const distances = others.map((other) => {
    let sum = 0;
    for (let at = 0; at < vector.length; at++) sum += (vector[at]! - other[at]!) ** 2;
    return sum;
  });
  return distances.indexOf(Math.min(...distances));
}

/** Rows of the table of captions. */
async function captionRows(train: readonly ImageTextPair[], test: readonly ImageTextPair[]) {
  const references = test.map(({ captions }) => captions);
  const [known, asked] = [await seen(train), await seen(test)];
  const copied = (kind: "pixels" | "features"): string[] =>
    asked[kind].map((vector) => train[nearest(vector, known[kind])]!.captions[0]!);
  const rows = Object.entries({
    "written by the model": await writeCaptions(test, folder),
    "of the nearest training picture, by pixels": copied("pixels"),
    "of the nearest training picture, by the model's vectors": copied("features"),
  });
  return rows.map(([name, captions]) => {
    const { cider_d, bleu4 } = captionMetrics(captions, references);
    return [name, cider_d!.toFixed(3), bleu4!.toFixed(1)];
  });
}

const shuffledShare = 0.3;

/** Gives a share of the pairs the captions of others among them, and counts which of all are kept. */
async function capfiltLine(pairs: readonly ImageTextPair[]): Promise<string> {
  const { captions, wrong } = withOthersCaptions(pairs, shuffledShare);
  const noisy = pairs.map((pair, at) => ({ ...pair, fields: { caption: captions[at] } }));
  const count = { wrong: 0, right: 0 };
  let index = 0;
  for await (const judged of judgeCaptions(noisy, ["caption"], { matcher })) {
    const isKept = "captions" in judged && judged.captions[0]!.probability >= 0.5;
    const isWrong = wrong.has(index++);
    if (isWrong !== isKept) count[isWrong ? "wrong" : "right"]++;
  }
  const share = (part: number, all: number): string => `${((100 * part) / all).toFixed(1)} %`;
  const removed = share(count.wrong, wrong.size);
  const kept = share(count.right, pairs.length - wrong.size);
  return `CapFilt: removes ${removed} of the wrong captions, keeps ${kept} of the right ones (bars 80 %)`;
}

try {
  const [train, test] = [await pairsOf("train"), await pairsOf("test-variants")];
  console.log(markdownTable(["caption", "CIDEr-D", "BLEU-4"], await captionRows(train, test)));
  const scores = await rerankingScores(test, folder);
  for (const way of ["text_to_image", "image_to_text"]) {
    const [itc, itm] = ["itc", "itm"].map((kind) => (100 * scores[`${kind}_${way}_recall@1`]!).toFixed(1));
    console.log(`${way} recall@1: ${itc} % by vectors, ${itm} % after a close look`);
  }
  console.log(await capfiltLine(test));
} finally {
  await matcher.release();
}
