/** Pictures with their captions, whatever holds them: checked once, so that training meets only sound ones. */

import { createHash } from "node:crypto";
import { ConfigError, ImageError, TesseraeError } from "../errors.ts";
import type { ImageDecoder } from "../vision/decode.ts";
import type { ImageTableOptions } from "./image-table.ts";
import { type ImageExample, openImages } from "./images.ts";
import { mapAhead } from "./map-ahead.ts";
import { type CaptionColumns, captionReader } from "./pair-captions.ts";
import { type BadRow, badRowOf, missingImage, RowError } from "./text-file.ts";

/** One picture with all that is said of it. */
export interface ImageTextPair extends ImageExample {
  readonly captions: readonly string[]; // at least one, all different
  readonly keywords: readonly string[];
}

export interface PairSet<Pair extends ImageExample = ImageTextPair> {
  readonly pairs: readonly Pair[];
  /** What is left out, each with its kind. */
  readonly badRows: readonly BadRow[];
}

export interface PairOptions extends Pick<ImageTableOptions, "imageColumn">, CaptionColumns {
  /** Stop at the first pair that cannot be used instead of leaving it out. Default false. */
  readonly strict?: boolean;
}

/** Pictures that are read and decoded at a time while a set is checked. */
export const checkedAtOnce = 8;

/**
 * Reads what `openImages` reads, with captions from its columns or JSON fields. Every picture is decoded once by
 * `decoder`, which decides whether animations are let in. Rows of one picture become one pair with several captions.
 * Left out and counted by kind: missing, damaged, animated, too large and wrong-type images, empty captions, duplicates.
 * @throws ConfigError (code `data`) when a column is missing, no pair is left or, under `strict`, at the first bad one.
 */
export async function imageTextPairs(
  path: string,
  decoder: ImageDecoder,
  { strict = false, ...options }: PairOptions = {},
): Promise<PairSet> {
  const { examples, badRows: unread } = await openImages(path, options);
  const captioned = captionReader(path, examples, options);
  const byPicture = new Map<string, ImageTextPair>();
  const badRows = [...unread];
  const check = (example: ImageExample) => checkPair(example, decoder, captioned);
  if (strict && badRows[0]) throw refused(badRows[0]);
  for await (const checked of mapAhead(examples, check, checkedAtOnce)) {
    const bad = "hash" in checked ? joinPair(byPicture, checked) : checked;
    if (bad && strict) throw refused(bad);
    if (bad) badRows.push(bad);
  }
  const pairs = [...byPicture.values()];
  if (pairs.length === 0) throw noneLeft(path, "pair of image and text", badRows);
  return { pairs, badRows };
}

/** For data of which nothing can be used. */
export const noneLeft = (path: string, what: string, badRows: readonly BadRow[]): ConfigError =>
  new ConfigError(`${path}: no ${what} can be used, the first because: ${badRows[0]!.reason}`, {
    code: "data",
  });

interface CheckedPair<Pair> {
  readonly hash: string; // of the picture's bytes
  readonly pair: Pair;
}

export const refused = ({ file, line, reason }: BadRow): ConfigError =>
  new ConfigError(`${file}:${line}: ${reason}`, { code: "data" });

/** A pair, as `read` makes it of an example whose picture is sound, or why it is none. */
export async function checkPair<Pair extends ImageExample>(
  example: ImageExample,
  decoder: ImageDecoder,
  read: (example: ImageExample) => Pair,
): Promise<CheckedPair<Pair> | BadRow> {
  try {
    const pair = read(example);
    const loaded = await loadOf(example);
    if (!(loaded instanceof Uint8Array)) return { hash: hashOf(loaded.data), pair };
    await decoder.decode(loaded, example.source);
    return { hash: hashOf(loaded), pair };
  } catch (error) {
    const { file, line } = rowOf(example);
    if (error instanceof RowError) return badRowOf(error, file, line);
    if (!(error instanceof ImageError)) throw error;
    return { file, line, reason: error.message, kind: `${error.problem} image` };
  }
}

const rowOf = ({ row, source }: ImageExample): Pick<BadRow, "file" | "line"> =>
  row ?? { file: source, line: 1 };

const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64");

const loadOf = (example: ImageExample): ReturnType<ImageExample["load"]> =>
  example.load().catch((error: unknown) => {
    if (error instanceof TesseraeError) throw new RowError(error.message, missingImage);
    throw error;
  });

/** Adds a pair, or its captions to those of the same picture; returns it as a bad row where all of them are known. */
function joinPair(
  byPicture: Map<string, ImageTextPair>,
  { hash, pair }: CheckedPair<ImageTextPair>,
): BadRow | undefined {
  const known = byPicture.get(hash);
  if (known && pair.captions.every((caption) => known.captions.includes(caption))) {
    const reason = `is the same picture with the same text as ${known.source}`;
    return { ...rowOf(pair), reason, kind: "duplicate" };
  }
  const captions = [...new Set([...(known?.captions ?? []), ...pair.captions])];
  const keywords = [...new Set([...(known?.keywords ?? []), ...pair.keywords])];
  byPicture.set(hash, { ...(known ?? pair), captions, keywords });
  return undefined;
}
