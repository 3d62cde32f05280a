/** What an index is made of: the pictures of a folder or data set, their captions, or the lines of a text file. */

import { createHash } from "node:crypto";
import { type ImageExample, openImages } from "../data/images.ts";
import { captionColumnsIn, captionsIn } from "../data/pair-captions.ts";
import { type BadRow, readTextFile } from "../data/text-file.ts";
import { ConfigError } from "../errors.ts";
import type { RgbImage } from "../vision/image.ts";

/** Something to find; a picture is read when it is asked for. */
export type IndexEntry =
  | { readonly source: string; readonly text: string }
  | { readonly source: string; readonly example: ImageExample };

export interface EntryOptions {
  /** Index what is said of the pictures, not the pictures. Default false. */
  readonly captions?: boolean | undefined;
  /** Columns with captions; default: a common name. */
  readonly captionColumns?: readonly string[] | undefined;
  readonly imageColumn?: string | undefined;
}

export interface IndexEntries {
  readonly entries: readonly IndexEntry[];
  readonly badRows: readonly BadRow[];
}

/** @throws ConfigError when there is nothing to index. */
export async function readEntries(
  path: string,
  { captions, captionColumns, imageColumn }: EntryOptions = {},
): Promise<IndexEntries> {
  if (/\.txt(\.gz)?$/i.test(path)) return { entries: await linesOf(path), badRows: [] };
  const { examples, badRows } = await openImages(path, { ...(imageColumn && { imageColumn }) });
  if (!captions) {
    return { entries: examples.map((example) => ({ source: example.source, example })), badRows };
  }
  const columns = captionColumnsIn(path, examples, { captionColumns });
  const entries = examples.flatMap((example) =>
    captionsIn(example, columns).map((text) => ({ source: example.source, text })),
  );
  if (entries.length > 0) return { entries, badRows };
  throw new ConfigError(`${path}: holds no captions; name their column with --caption-column`, {
    code: "data",
  });
}

async function linesOf(path: string): Promise<IndexEntry[]> {
  const { text } = await readTextFile(path);
  const lines = text.split(/\r?\n/).map((line, at) => ({ source: `${path}:${at + 1}`, text: line.trim() }));
  return lines.filter((line) => line.text !== "");
}

/** What equal content has in common. */
export const hashOf = (content: Uint8Array | string): string =>
  createHash("sha256").update(content).digest("base64url").slice(0, 22); // 132 bits

/** The hash of a picture as it was loaded. */
export const hashOfPicture = (loaded: Uint8Array | RgbImage): string =>
  hashOf(loaded instanceof Uint8Array ? loaded : loaded.data);
