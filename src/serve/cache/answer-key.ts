/** What an answer depends on, as one digest: the model's content, the inputs and the parameters. */

import { createHash, type Hash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { CatalogModel } from "../../store/catalog.ts";
import type { Question } from "../model-worker.ts";

/** Changes when answers or their form do, so that kept ones are not taken for new ones. */
const answersVersion = 1;

/**
 * The content of a model: weights, tokenizer, preprocessing and variant, by the hashes that the store keeps. A folder
 * without them is known by the sizes and times of its files.
 */
export async function modelDigest({ folder, manifest, variant }: CatalogModel): Promise<string> {
  const content = manifest?.contentHash ?? (await fileTimes(folder));
  return digestOf([answersVersion, content, variant?.record.contentHash ?? ""]);
}

/** The key of an answer. The order of fields makes no difference, and `{ text }` is as the text alone. */
export const answerKey = (model: string, { inputs, ...rest }: Question): string =>
  digestOf([model, Array.isArray(inputs) ? inputs.map(plainText) : plainText(inputs), rest]);

/**
 * Whether the same question has the same answer: not where one is drawn at random without a seed. `samples`: whether the
 * model draws unless it is told otherwise.
 */
export const isRepeatable = ({ parameters }: Question, samples: boolean): boolean =>
  parameters.seed != null || !(parameters.do_sample ?? samples);

function plainText(input: unknown): unknown {
  if (typeof input !== "object" || input === null || !("text" in input)) return input;
  return Object.keys(input).length === 1 ? input.text : input;
}

async function fileTimes(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).sort();
  const files = await Promise.all(names.map((name) => stat(join(folder, name))));
  return [folder, ...files.map(({ size, mtimeMs }, at) => `${names[at]} ${size} ${mtimeMs}`)];
}

function digestOf(value: unknown): string {
  const hash = createHash("sha256");
  addTo(hash, value);
  return hash.digest("base64url");
}

/** Every part says what it is and how long, so that no two values read the same. */
function addTo(hash: Hash, value: unknown): void {
  if (typeof value === "string") hash.update(`s${Buffer.byteLength(value)}:`).update(value);
  else if (value instanceof Uint8Array) hash.update(`b${value.length}:`).update(value);
  else if (Array.isArray(value)) {
    hash.update(`a${value.length}:`);
    for (const item of value) addTo(hash, item);
  } else if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    hash.update(`o${fields.length}:`);
    for (const [name, field] of fields.sort(([a], [b]) => (a < b ? -1 : 1))) {
      addTo(hash, name);
      addTo(hash, field);
    }
  } else hash.update(`v${String(value)}:`);
}
