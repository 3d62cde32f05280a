/** Questions about pictures with the answers that people gave. */

import type { ImageDecoder } from "../vision/decode.ts";
import { needColumn } from "./columns.ts";
import {
  checkedAtOnce,
  checkPair,
  noneLeft,
  type PairOptions,
  type PairSet,
  refused,
} from "./image-text-pairs.ts";
import { type ImageExample, openImages } from "./images.ts";
import { mapAhead } from "./map-ahead.ts";
import { fieldNames } from "./pair-captions.ts";
import { isRecord } from "./table.ts";
import { RowError } from "./text-file.ts";

export interface PictureQuestion extends ImageExample {
  readonly question: string;
  /** At least one; what several people said stands there several times. */
  readonly answers: readonly string[];
}

/**
 * Reads what `openImages` reads, with columns or JSON fields `question` and `answers`: a text, a list of texts, or a list
 * of objects with an `answer`, as in VQA. What cannot be used is left out and counted by kind.
 * @throws ConfigError (code `data`) when a column is missing, nothing is left or, under `strict`, at the first bad one.
 */
export async function pictureQuestions(
  path: string,
  decoder: ImageDecoder,
  { strict = false, ...options }: PairOptions = {},
): Promise<PairSet<PictureQuestion>> {
  const { examples, badRows: unread } = await openImages(path, options);
  const asked = questionReader(path, examples);
  const badRows = [...unread];
  const pairs: PictureQuestion[] = [];
  if (strict && badRows[0]) throw refused(badRows[0]);
  for await (const checked of mapAhead(examples, (one) => checkPair(one, decoder, asked), checkedAtOnce)) {
    if ("pair" in checked) pairs.push(checked.pair);
    else if (strict) throw refused(checked);
    else badRows.push(checked);
  }
  if (pairs.length === 0) throw noneLeft(path, "question", badRows);
  return { pairs, badRows };
}

/** A function from an example to its question, which throws a `RowError` where there is none. */
function questionReader(
  file: string,
  examples: readonly ImageExample[],
): (example: ImageExample) => PictureQuestion {
  const table = { file, columns: fieldNames(examples) };
  const question = needColumn(table, "question");
  const answer = needColumn(table, "answers");
  return (example) => {
    const text = example.fields?.[question];
    if (typeof text !== "string" || text.trim() === "")
      throw new RowError(`${question} must be a text, got ${JSON.stringify(text)}`, "empty question");
    const answers = answersIn(example.fields?.[answer]);
    if (answers.length === 0) throw new RowError(`${answer} must hold an answer`, "no answer");
    return { ...example, question: text.trim(), answers };
  };
}

function answersIn(value: unknown): string[] {
  const texts = (Array.isArray(value) ? value : [value]).map((one) => (isRecord(one) ? one.answer : one));
  const known = texts.filter((text) => typeof text === "string" || typeof text === "number");
  return known.map((text) => `${text}`.trim()).filter((text) => text !== "");
}
