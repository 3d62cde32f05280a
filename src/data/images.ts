/** Sets of labelled pictures, whatever holds them; pictures are read when they are asked for. */

import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { ConfigError } from "../errors.ts";
import type { ImageDecoder } from "../vision/decode.ts";
import type { RgbImage } from "../vision/image.ts";
import { readIdx } from "./idx.ts";
import { readImageFolder } from "./image-folder.ts";
import { type ImageTableOptions, readImageTable } from "./image-table.ts";
import { mapAhead } from "./map-ahead.ts";
import { isParquet, readParquet } from "./parquet.ts";
import type { BadRow } from "./text-file.ts";
import { readShard, readShardFolder } from "./webdataset.ts";

/** One picture that has not been read yet. */
export interface ImageExample {
  readonly source: string; // file, and place in it, for messages
  readonly label?: string | undefined;
  /** What else is known of it: the cells of its row, its JSON, its caption. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
  /** Its row of a table, or its number in a shard, for messages. */
  readonly row?: Pick<BadRow, "file" | "line"> | undefined;
  /** The shard or row group that it is read with. */
  readonly part?: string | undefined;
  /** Bytes of an image file, or pixels where the data holds plain ones. */
  load(): Promise<Uint8Array | RgbImage>;
}

export interface ImageSet {
  readonly examples: readonly ImageExample[];
  readonly badRows: readonly BadRow[];
}

/**
 * Opens a folder of class folders, a WebDataset shard (.tar, .tar.gz), a Parquet file, a folder of either, an IDX file
 * of images (with its labels beside it), or a table (.csv, .tsv, .jsonl) with a column of paths.
 * @throws ConfigError (code `data`) when it holds no pictures or is damaged.
 */
export async function openImages(path: string, options: ImageTableOptions = {}): Promise<ImageSet> {
  const set = await readImages(path, options);
  if (set.examples.length > 0) return set;
  const [first] = set.badRows;
  const why = first
    ? `; ${set.badRows.length} rows are bad, the first: line ${first.line}: ${first.reason}`
    : "";
  throw new ConfigError(`${path}: holds no pictures${why}`, { code: "data" });
}

async function readImages(path: string, options: ImageTableOptions): Promise<ImageSet> {
  const status = await stat(path).catch((cause: unknown) => {
    throw new ConfigError(`${path}: there is no such file or folder`, { code: "not_found", cause });
  });
  if (status.isDirectory())
    return (await readShardFolder(path)) ?? (await readParquetFolder(path, options)) ?? readImageFolder(path);
  if (isParquet(path)) return readParquet(path, options);
  const name = basename(path).toLowerCase();
  if (/\.(tar|tar\.gz|tgz)$/.test(name)) return readShard(path);
  if (/\.(csv|tsv|jsonl|ndjson)(\.gz)?$/.test(name)) return readImageTable(path, options);
  if (/idx3-ubyte(\.gz)?$/.test(name)) return readIdx(path);
  const known = "a folder, .tar, .tar.gz, .parquet, .csv, .tsv, .jsonl or an idx3-ubyte file";
  throw new ConfigError(`${path}: pictures must come from ${known}`, { code: "data" });
}

/** All Parquet files of a folder in the order of their names; `undefined` where it has none. */
async function readParquetFolder(folder: string, options: ImageTableOptions): Promise<ImageSet | undefined> {
  const names = (await readdir(folder)).filter(isParquet).sort();
  if (names.length === 0) return undefined;
  const sets: ImageSet[] = [];
  for (const name of names) sets.push(await readParquet(join(folder, name), options));
  return { examples: sets.flatMap((set) => set.examples), badRows: [] };
}

/** An example's pixels. @throws ImageError naming its source when it cannot be decoded. */
export async function loadPixels(example: ImageExample, decoder: ImageDecoder): Promise<RgbImage> {
  const loaded = await example.load();
  return loaded instanceof Uint8Array ? decoder.decode(loaded, example.source) : loaded;
}

/**
 * The examples at `indices`, in that order, decoded and put through `transform` while those before are in use.
 * Memory: the decoder's pixels in flight, and at most `ahead` transformed pictures.
 */
export const prefetchImages = <T>(
  { examples }: ImageSet,
  indices: Iterable<number>,
  decoder: ImageDecoder,
  transform: (image: RgbImage, index: number) => T,
  ahead = 32,
): AsyncGenerator<T> =>
  mapAhead(indices, async (index) => transform(await loadPixels(examples[index]!, decoder), index), ahead);
