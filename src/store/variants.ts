/**
 * Variants of a model: the same model with another graph or other weights (INT8, FP16, early exit), inside its folder.
 *
 *     <model folder>/variants/<name>/   model.onnx, model.safetensors, golden.safetensors, variant.json
 *
 * They are not part of the version's content, which never changes. A variant is staged beside its place and renamed.
 */

import { mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import {
  removeStale,
  syncFile,
  syncFolder,
  temporaryName,
  temporaryPattern,
  writeFileAtomic,
} from "../weights/atomic.ts";
import { sharedFolder, variantFile, variantsFolder } from "../weights/variant-folder.ts";
import { type FillFolder, fillFolder, readFolder } from "./folders.ts";
import { contentHashOf, fileSchema, hashFiles, lineageSchema, readRecord, sha256Schema } from "./manifest.ts";
import { nearest } from "./nearest.ts";
import { assertVariantName } from "./ref.ts";

const variantSchema = z.object({
  /** How it was made, such as `dynamic-int8`. */
  kind: z.string(),
  createdAt: z.iso.datetime(),
  /** Fields laid over the model's config.json: how the weights are quantised, when a row may exit early. */
  config: z.record(z.string(), z.unknown()),
  /** Largest difference from a golden output, as a share of that output's largest magnitude. */
  tolerance: z.number().nonnegative(),
  /** Measured figures by name. */
  metrics: z.record(z.string(), z.number()),
  lineage: lineageSchema,
  files: z.record(z.string(), fileSchema),
  contentHash: sha256Schema,
});

export type VariantRecord = z.infer<typeof variantSchema>;

/** What the maker of a variant says about it. */
export type VariantInfo = Pick<VariantRecord, "kind" | "config" | "tolerance" | "metrics"> &
  Partial<Pick<VariantRecord, "lineage">>;

/** A variant of a model. Its folder opens like a model's. */
export interface StoredVariant {
  readonly name: string;
  readonly folder: string;
  readonly record: VariantRecord;
}

/** All variants of the model in a folder, by name. @throws ConfigError for a damaged `variant.json`. */
export async function listVariants(modelFolder: string): Promise<StoredVariant[]> {
  return Promise.all((await namesIn(modelFolder)).map((name) => read(modelFolder, name)));
}

/** One variant of the model in a folder. @throws ConfigError, code not_found, that suggests the nearest name. */
export async function openVariant(modelFolder: string, name: string): Promise<StoredVariant> {
  const names = await namesIn(modelFolder);
  if (names.includes(name)) return read(modelFolder, name);
  const guess = nearest(name, names);
  const others = names.length > 0 ? `it has ${names.join(", ")}` : "it has none";
  const advice = guess === undefined ? others : `did you mean "${guess}"?`;
  throw new ConfigError(`${modelFolder}: there is no variant "${name}"; ${advice}`, { code: "not_found" });
}

/** The record of the variant in a folder, undefined where the folder is a model's own. */
export async function variantAt(folder: string): Promise<StoredVariant | undefined> {
  const own = resolve(folder);
  return sharedFolder(own) === own ? undefined : read(dirname(dirname(own)), basename(own));
}

/**
 * Adds a variant of what `fill` writes; one of that name is replaced.
 * @throws ConfigError for a bad name; errors of `fill` pass through and leave nothing behind.
 */
export async function addVariant(
  modelFolder: string,
  name: string,
  fill: FillFolder,
  info: VariantInfo | (() => VariantInfo),
): Promise<StoredVariant> {
  assertVariantName(name);
  const place = join(modelFolder, variantsFolder, name);
  await mkdir(dirname(place), { recursive: true });
  await removeStale(dirname(place), temporaryPattern);
  const staged = temporaryName(place);
  await mkdir(staged);
  try {
    await fillFolder(staged, fill);
    const files = await hashFiles(staged);
    for (const path of Object.keys(files)) await syncFile(join(staged, path));
    const given = typeof info === "function" ? info() : info;
    const createdAt = new Date().toISOString();
    const record = { lineage: {}, ...given, createdAt, files, contentHash: contentHashOf(files) };
    await writeFileAtomic(join(staged, variantFile), encode(name, record));
    await replaceFolder(staged, place);
    await syncFolder(dirname(place));
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
  return read(modelFolder, name);
}

/** @throws ConfigError, code not_found, when there is no such variant. */
export async function removeVariant(modelFolder: string, name: string): Promise<void> {
  const { folder } = await openVariant(modelFolder, name);
  const trash = temporaryName(folder);
  await rename(folder, trash);
  await rm(trash, { recursive: true, force: true });
}

function encode(name: string, record: VariantRecord): string {
  const { data, error } = variantSchema.safeParse(record);
  if (error) throw new ConfigError(`variant "${name}": ${z.prettifyError(error)}`, { cause: error });
  return `${JSON.stringify(data, null, 2)}\n`;
}

async function read(modelFolder: string, name: string): Promise<StoredVariant> {
  const folder = join(modelFolder, variantsFolder, name);
  return { name, folder, record: await readRecord(join(folder, variantFile), variantSchema) };
}

/** Names of the folders that are whole; what is being written begins with a dot. */
const namesIn = async (modelFolder: string): Promise<string[]> =>
  (await readFolder(join(modelFolder, variantsFolder))).filter((name) => !name.startsWith(".")).sort();

/** Renames a folder to a place that may be taken. */
async function replaceFolder(from: string, to: string): Promise<void> {
  const trash = temporaryName(to);
  const hadOld = await rename(to, trash).then(
    () => true,
    () => false,
  );
  await rename(from, to);
  if (hadOld) await rm(trash, { recursive: true, force: true });
}
