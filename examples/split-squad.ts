/**
 * Splits the articles of SQuAD's development set into training, validation and test questions, and puts the part of the
 * training set beside the first.
 *   node --import tsx examples/split-squad.ts ../shared/data/squad runs/squad
 * writes runs/squad/train/{squad-train,dev-articles}.json, runs/squad/validation.json and runs/squad/test.json.
 */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

interface Squad {
  readonly version: string;
  readonly data: readonly {
    readonly title: string;
    readonly paragraphs: readonly { readonly qas: readonly unknown[] }[];
  }[];
}

const [source, target] = process.argv.slice(2);
if (!source || !target) throw new Error("usage: split-squad.ts FOLDER_OF_SQUAD FOLDER_TO_WRITE");

const train = gunzipSync(await readFile(join(source, "train-4k-v1.1.json.gz"))).toString();
const dev = JSON.parse(gunzipSync(await readFile(join(source, "dev-v1.1.json.gz"))).toString()) as Squad;
const split = JSON.parse(await readFile(join(source, "dev-article-split.json"), "utf8")) as Record<
  "train" | "dev" | "test",
  string[]
>;

const questionsIn = ({ data }: Squad): number =>
  data.reduce((sum, { paragraphs }) => sum + paragraphs.reduce((part, { qas }) => part + qas.length, 0), 0);

async function write(path: string, squad: Squad): Promise<void> {
  await writeFile(join(target!, path), JSON.stringify(squad));
  console.log(`${path}: ${squad.data.length} articles, ${questionsIn(squad)} questions`);
}

const articles = (titles: readonly string[]): Squad => ({
  ...dev,
  data: dev.data.filter(({ title }) => titles.includes(title)),
});

await mkdir(join(target, "train"), { recursive: true });
await write("train/squad-train.json", JSON.parse(train) as Squad);
await write("train/dev-articles.json", articles(split.train));
await write("validation.json", articles(split.dev));
await write("test.json", articles(split.test));
