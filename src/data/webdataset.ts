/** WebDataset shards: tar archives in which the files of one example share the name before the first dot. */

import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { ConfigError } from "../errors.ts";
import { isImageName } from "./image-folder.ts";
import type { ImageExample, ImageSet } from "./images.ts";
import { isRecord } from "./table.ts";
import { type Archive, listTar, openArchive, type TarEntry } from "./tar.ts";
import { type BadRow, badRowOf, missingImage, RowError } from "./text-file.ts";

/** Whether a name is that of a shard. */
export const isShard = (name: string): boolean => /\.(tar|tar\.gz|tgz)$/i.test(name);

/** All shards of a folder in the order of their names; `undefined` where it has none. */
export async function readShardFolder(folder: string): Promise<ImageSet | undefined> {
  const names = (await readdir(folder)).filter(isShard).sort();
  if (names.length === 0) return undefined;
  const sets: ImageSet[] = [];
  for (const name of names) sets.push(await readShard(join(folder, name)));
  return { examples: sets.flatMap((set) => set.examples), badRows: sets.flatMap((set) => set.badRows) };
}

/**
 * The label is the text of `.cls`, or `label` (or `cls`) of `.json`; `.txt` is the caption. Samples without a picture
 * or with bad JSON are bad rows, numbered from 1. @throws ConfigError (code `data`) for a damaged archive.
 */
export async function readShard(path: string): Promise<ImageSet> {
  const archive = await openArchive(path);
  const badRows: BadRow[] = [];
  const examples: ImageExample[] = [];
  for (const [at, sample] of samplesOf(await listTar(archive)).entries()) {
    try {
      const row = { file: path, line: at + 1 };
      examples.push({ ...(await exampleOf(archive, sample)), row, part: path });
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      badRows.push(badRowOf(error, path, at + 1));
    }
  }
  return { examples, badRows };
}

const maxTextBytes = 2 ** 24;

/** Files of one example by their extension, all after the first dot. */
interface Sample {
  readonly key: string;
  readonly files: Map<string, TarEntry>;
}

function samplesOf(entries: readonly TarEntry[]): Sample[] {
  const samples: Sample[] = [];
  for (const entry of entries) {
    const name = basename(entry.name);
    const dot = name.indexOf(".");
    if (dot < 1) continue;
    const key = entry.name.slice(0, entry.name.length - name.length + dot);
    if (samples.at(-1)?.key !== key) samples.push({ key, files: new Map() });
    samples.at(-1)!.files.set(name.slice(dot + 1).toLowerCase(), entry);
  }
  return samples;
}

async function exampleOf(archive: Archive, { key, files }: Sample): Promise<ImageExample> {
  const image = [...files].find(([extension]) => isImageName(extension))?.[1];
  if (!image) throw new RowError(`${key} has no picture, only ${[...files.keys()].join(", ")}`, missingImage);
  const textOf = async (extension: string): Promise<string | undefined> => {
    const entry = files.get(extension);
    if (entry && entry.sizeBytes > maxTextBytes) {
      throw new RowError(
        `${key}.${extension} must have at most ${maxTextBytes} bytes, got ${entry.sizeBytes}`,
      );
    }
    return entry && (await archive.read(entry.start, entry.sizeBytes)).toString("utf8").trim();
  };
  const caption = await textOf("txt");
  const fields = { ...parseFields(key, await textOf("json")), ...(caption === undefined ? {} : { caption }) };
  return {
    source: `${archive.path}:${image.name}`,
    label: (await textOf("cls")) ?? labelIn(fields),
    fields,
    load: () => readWhole(archive, image),
  };
}

function parseFields(key: string, text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    const fields: unknown = JSON.parse(text);
    if (isRecord(fields)) return fields;
  } catch {
    // the same message as for JSON that is no object
  }
  throw new RowError(`${key}.json must be a JSON object`);
}

function labelIn(fields: Readonly<Record<string, unknown>>): string | undefined {
  const value = fields.label ?? fields.cls;
  return typeof value === "string" || typeof value === "number" ? `${value}` : undefined;
}

async function readWhole(archive: Archive, { name, start, sizeBytes }: TarEntry): Promise<Uint8Array> {
  const bytes = await archive.read(start, sizeBytes);
  if (bytes.length === sizeBytes) return bytes;
  throw new ConfigError(`${archive.path}:${name}: has been cut off since it was opened`, { code: "data" });
}
