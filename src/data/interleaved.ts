/** Pictures and texts in one sequence: captions, questions about pictures, and documents of several pictures. */

import { dirname, resolve } from "node:path";
import { countImageMarks, imageMark, questionPrompt } from "../text/image-marks.ts";
import type { ImageDecoder } from "../vision/decode.ts";
import { findColumn, needColumn } from "./columns.ts";
import { readNamed } from "./image-table.ts";
import {
  checkedAtOnce,
  checkPair,
  type ImageTextPair,
  imageTextPairs,
  noneLeft,
  type PairOptions,
  type PairSet,
  refused,
} from "./image-text-pairs.ts";
import { type ImageExample, openImages } from "./images.ts";
import { mapAhead } from "./map-ahead.ts";
import { fieldNames } from "./pair-captions.ts";
import { type PictureQuestion, pictureQuestions } from "./picture-questions.ts";
import { readJsonLines, type Table, type TableRow } from "./table.ts";
import { type BadRow, convertRows, missingImage, RowError, readTextFile } from "./text-file.ts";

/** A text with marks for its pictures: what is given, and what is learned to follow it. */
export interface InterleavedExample extends ImageExample {
  readonly kind: "caption" | "question" | "document";
  /** In the order of the marks. */
  readonly pictures: readonly ImageExample[];
  readonly prompt: string;
  /** At least one; what several people said stands there several times. */
  readonly answers: readonly string[];
}

/**
 * Reads JSON lines with `images` (paths) and `text`, in which `<image>` stands for each of them; pictures with `question`
 * and `answers`; or pictures with captions, from whatever `openImages` reads. What cannot be used is left out and
 * counted by kind.
 * @throws ConfigError (code `data`) when a column is missing, nothing is left or, under `strict`, at the first bad row.
 */
export async function interleavedExamples(
  path: string,
  decoder: ImageDecoder,
  options: PairOptions = {},
): Promise<PairSet<InterleavedExample>> {
  const table = await documentTable(path);
  if (table) return readDocuments(table, decoder, options);
  const { examples } = await openImages(path, options);
  const isAsked = findColumn({ file: path, columns: fieldNames(examples) }, "question") !== undefined;
  if (isAsked && !options.captionColumns) {
    const { pairs, badRows } = await pictureQuestions(path, decoder, options);
    return { pairs: pairs.map(questionExample), badRows };
  }
  const { pairs, badRows } = await imageTextPairs(path, decoder, options);
  return { pairs: pairs.map(captionExample), badRows };
}

const captionExample = (pair: ImageTextPair): InterleavedExample => ({
  ...pair,
  kind: "caption",
  pictures: [pair],
  prompt: imageMark,
  answers: pair.captions,
});

const questionExample = (asked: PictureQuestion): InterleavedExample => ({
  ...asked,
  kind: "question",
  pictures: [asked],
  prompt: imageMark + questionPrompt(asked.question),
  answers: asked.answers,
});

/** The table of a file of documents; undefined for any other data. */
async function documentTable(path: string): Promise<Table | undefined> {
  if (!/\.(jsonl|ndjson)(\.gz)?$/i.test(path)) return undefined;
  const table = readJsonLines(await readTextFile(path));
  return table.columns.includes("images") ? table : undefined;
}

async function readDocuments(
  table: Table,
  decoder: ImageDecoder,
  { strict = false, captionColumns }: PairOptions,
): Promise<PairSet<InterleavedExample>> {
  const text = needColumn(table, "caption", captionColumns?.[0]);
  const badRows = [...table.badRows];
  const documents = convertRows(table.file, table.rows, badRows, (row) => documentOf(table.file, row, text));
  if (strict && badRows[0]) throw refused(badRows[0]);
  const pairs: InterleavedExample[] = [];
  for await (const checked of mapAhead(documents, (one) => checkDocument(one, decoder), checkedAtOnce)) {
    if ("pictures" in checked) pairs.push(checked);
    else if (strict) throw refused(checked);
    else badRows.push(checked);
  }
  if (pairs.length === 0) throw noneLeft(table.file, "document", badRows);
  return { pairs, badRows };
}

/** Up to its first picture a document is given; from there on it is learned. @throws RowError when it is none. */
function documentOf(file: string, { cells, line }: TableRow, column: string): InterleavedExample {
  const { images, [column]: text } = cells;
  if (!Array.isArray(images) || images.length === 0 || images.some((name) => typeof name !== "string"))
    throw new RowError("images must be a list of paths", missingImage);
  const marks = typeof text === "string" ? countImageMarks(text) : 0;
  if (marks !== images.length) {
    throw new RowError(
      `${column} must hold ${imageMark} for each of its ${images.length} images, got ${marks}`,
      "wrong image marks",
    );
  }
  const start = (text as string).indexOf(imageMark) + imageMark.length;
  const answer = (text as string).slice(start);
  if (answer.trim() === "") throw new RowError(`${column} must go on behind ${imageMark}`, "empty text");
  const row = { file, line };
  const pictures = images.map((name: string): ImageExample => {
    const source = resolve(dirname(file), name);
    return { source, row, load: () => readNamed(source, `${file}:${line}`) };
  });
  const prompt = (text as string).slice(0, start);
  return { ...pictures[0]!, kind: "document", pictures, prompt, answers: [answer] };
}

/** The document, or why one of its pictures cannot be used. */
async function checkDocument(
  document: InterleavedExample,
  decoder: ImageDecoder,
): Promise<InterleavedExample | BadRow> {
  for (const picture of document.pictures) {
    const checked = await checkPair(picture, decoder, (one) => one);
    if (!("hash" in checked)) return checked;
  }
  return document;
}
