/** `manifest.json`: what a model version is, where it came from, and the hashes of its files. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { variantsFolder } from "../weights/variant-folder.ts";

export const manifestFile = "manifest.json";

export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

export const fileSchema = z.object({ sha256: sha256Schema, sizeBytes: z.int().nonnegative() });

export const lineageSchema = z.object({
  /** The version it was trained or made from, as `name@3`, or a hub model with its commit. */
  parent: z.string().optional(),
  /** The command line that made it. */
  command: z.string().optional(),
  /** Every setting of the run that made it. */
  config: z.record(z.string(), z.unknown()).optional(),
  /** SHA-256 of each data file, by its path as given. */
  data: z.record(z.string(), sha256Schema).optional(),
});

const manifestSchema = z.object({
  name: z.string(),
  version: z.int().positive(),
  task: z.string(),
  labels: z.array(z.string()).optional(),
  createdAt: z.iso.datetime(),
  metrics: z.record(z.string(), z.number()),
  lineage: lineageSchema,
  /** By path relative to the version's folder, with `/`. */
  files: z.record(z.string(), fileSchema),
  /** SHA-256 over the sorted paths and hashes of the files. */
  contentHash: sha256Schema,
});

export type StoredFile = z.infer<typeof fileSchema>;
export type Lineage = z.infer<typeof lineageSchema>;
export type Manifest = z.infer<typeof manifestSchema>;

/** The text of a manifest. @throws ConfigError when a field is invalid, such as a metric that is not finite. */
export function encodeManifest(manifest: Manifest): string {
  const { data, error } = manifestSchema.safeParse(manifest);
  if (error) throw new ConfigError(`store: "${manifest.name}": ${z.prettifyError(error)}`, { cause: error });
  return `${JSON.stringify(data, null, 2)}\n`;
}

/** Reads a version's manifest. @throws ConfigError when it is missing or not valid. */
export const readManifest = (folder: string): Promise<Manifest> =>
  readRecord(join(folder, manifestFile), manifestSchema);

/** Reads a JSON file of the store. @throws ConfigError when it is missing or not valid. */
export async function readRecord<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  try {
    return schema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message;
    throw new ConfigError(
      `${path}: is not a valid ${basename(path, ".json")}: ${reason}; remove it and add it again`,
      { cause },
    );
  }
}

/** Size and hash of every file under `folder` except the manifest, by path. */
export async function hashFiles(folder: string): Promise<Record<string, StoredFile>> {
  const files: Record<string, StoredFile> = {};
  for (const path of await listFiles(folder)) files[path] = await hashFile(join(folder, path));
  return files;
}

/** Paths of all files under `folder` except the manifest and the variants, sorted, with `/`. */
export async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, "/"))
    .filter((path) => path !== manifestFile && !path.startsWith(`${variantsFolder}/`))
    .sort();
}

export async function hashFile(path: string): Promise<StoredFile> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk);
  return { sha256: hash.digest("hex"), sizeBytes: (await stat(path)).size };
}

/** One hash for the content of all files. */
export function contentHashOf(files: Readonly<Record<string, StoredFile>>): string {
  const hash = createHash("sha256");
  for (const path of Object.keys(files).sort()) hash.update(`${path}\0${files[path]!.sha256}\n`);
  return hash.digest("hex");
}
