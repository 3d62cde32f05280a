/**
 * A model folder's weights: `model.safetensors`, or several such files ("shards") under
 * `model.safetensors.index.json`, the layout of Hugging Face checkpoints.
 */

import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { WeightError } from "../errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { syncFolder, writeFileAtomic } from "./atomic.ts";
import { type NamedTensors, SafetensorsFile, toPairs, writeSafetensors } from "./safetensors.ts";
import { type SafetensorsEntry, showName } from "./safetensors-header.ts";
import { parseStrictJson } from "./strict-json.ts";

export const weightsFile = "model.safetensors";
export const weightsIndexFile = "model.safetensors.index.json";

/** Where a tensor lies; `file` is relative to the checkpoint's folder. */
export interface CheckpointEntry extends SafetensorsEntry {
  readonly file: string;
}

/** The open weights of a model folder. */
export class Checkpoint {
  constructor(
    readonly folder: string,
    readonly entries: ReadonlyMap<string, CheckpointEntry>,
    private readonly files: ReadonlyMap<string, SafetensorsFile>,
  ) {}

  /** The tensor of that name; BF16 and F8 become float32. @throws WeightError when it is not there or unreadable. */
  async read(name: string): Promise<Tensor> {
    const entry = this.entries.get(name);
    if (!entry) {
      throw new WeightError(
        `${this.folder}: no tensor ${showName(name)} among the ${this.entries.size} there`,
      );
    }
    return this.files.get(entry.file)!.read(name);
  }

  async close(): Promise<void> {
    await Promise.all([...this.files.values()].map((file) => file.close()));
  }
}

/**
 * Opens a folder's weights; only headers are read. One file is preferred over shards, as in Python.
 * @throws WeightError when there are none, or the index and its shards disagree.
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  if (existsSync(join(folder, weightsFile))) return openFiles(folder, [weightsFile]);
  if (existsSync(join(folder, weightsIndexFile))) {
    const shardOf = await readShardIndex(join(folder, weightsIndexFile));
    return openFiles(folder, new Set(shardOf.values()), shardOf);
  }
  const hint = existsSync(join(folder, "pytorch_model.bin"))
    ? "pytorch_model.bin is not read; save the model as safetensors in Python (save_pretrained) first"
    : "is this a model folder?";
  throw new WeightError(`${folder}: has neither ${weightsFile} nor ${weightsIndexFile}; ${hint}`);
}

async function openFiles(
  folder: string,
  names: Iterable<string>,
  shardOf?: ReadonlyMap<string, string>,
): Promise<Checkpoint> {
  const files = new Map<string, SafetensorsFile>();
  try {
    for (const name of names) files.set(name, await SafetensorsFile.open(join(folder, name)));
    return new Checkpoint(folder, shardOf ? entriesOf(shardOf, files) : allEntries(files), files);
  } catch (error) {
    await Promise.all([...files.values()].map((file) => file.close()));
    throw error;
  }
}

function allEntries(files: ReadonlyMap<string, SafetensorsFile>): Map<string, CheckpointEntry> {
  const entries = new Map<string, CheckpointEntry>();
  for (const [file, { entries: inFile }] of files) {
    for (const [name, entry] of inFile) entries.set(name, { ...entry, file });
  }
  return entries;
}

function entriesOf(
  shardOf: ReadonlyMap<string, string>,
  files: ReadonlyMap<string, SafetensorsFile>,
): Map<string, CheckpointEntry> {
  const entries = new Map<string, CheckpointEntry>();
  for (const [name, file] of shardOf) {
    const shard = files.get(file)!;
    const entry = shard.entries.get(name);
    if (!entry) {
      throw new WeightError(`${shard.path}: has no tensor ${showName(name)}, which the index says is in it`);
    }
    entries.set(name, { ...entry, file });
  }
  return entries;
}

/** Reads an index: tensor name → shard's file name. @throws WeightError when it is not valid or leaves the folder. */
export async function readShardIndex(path: string): Promise<Map<string, string>> {
  const shardOf = new Map(Object.entries(weightMapOf(await parseIndex(path), path)));
  for (const file of new Set(shardOf.values())) {
    if (typeof file !== "string" || !/^[^/\\:]+\.safetensors$/.test(file)) {
      throw new WeightError(
        `${path}: a shard must be a .safetensors file in this folder, got ${JSON.stringify(file)}`,
      );
    }
  }
  return shardOf as Map<string, string>;
}

async function parseIndex(path: string): Promise<unknown> {
  try {
    return parseStrictJson(await readFile(path, "utf8"));
  } catch (cause) {
    throw new WeightError(`${path}: is not a valid index: ${(cause as Error).message}`, { cause });
  }
}

function weightMapOf(index: unknown, path: string): object {
  const map =
    typeof index === "object" && index !== null && "weight_map" in index ? index.weight_map : undefined;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw new WeightError(`${path}: needs a "weight_map" from tensor names to file names`);
  }
  return map;
}

export interface WriteCheckpointOptions {
  /** Largest bytes of tensors in one file; beyond it the checkpoint is sharded. Default 5·10⁹, as in Python. */
  maxShardBytes?: number;
  /** Free text for the files' headers. Default `{ format: "pt" }`, without which Python's transformers refuses. */
  metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes a folder's weights, in one file or in shards; those that were there no longer count. Each file appears
 * whole and the index comes last, but only a fresh folder, renamed when done, replaces several shards at once.
 * @throws WeightError as `writeSafetensors` does.
 */
export async function writeCheckpoint(
  folder: string,
  tensors: NamedTensors,
  { maxShardBytes = 5e9, metadata = { format: "pt" } }: WriteCheckpointOptions = {},
): Promise<void> {
  const shards = splitIntoShards(toPairs(tensors), maxShardBytes);
  if (shards.length === 1) {
    await writeSafetensors(join(folder, weightsFile), shards[0]!, metadata);
    await rm(join(folder, weightsIndexFile), { force: true });
  } else {
    await writeShards(folder, shards, metadata);
    await rm(join(folder, weightsFile), { force: true });
  }
  await syncFolder(folder);
}

async function writeShards(
  folder: string,
  shards: readonly (readonly [string, Tensor])[][],
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const weightMap: [string, string][] = [];
  let totalBytes = 0;
  for (const [index, shard] of shards.entries()) {
    const file = `model-${fiveDigits(index + 1)}-of-${fiveDigits(shards.length)}.safetensors`;
    await writeSafetensors(join(folder, file), shard, metadata);
    for (const [name, { sizeBytes }] of shard) {
      weightMap.push([name, file]);
      totalBytes += sizeBytes;
    }
  }
  const index = { metadata: { total_size: totalBytes }, weight_map: Object.fromEntries(weightMap) };
  await writeFileAtomic(join(folder, weightsIndexFile), `${JSON.stringify(index, null, 2)}\n`);
}

const fiveDigits = (value: number): string => String(value).padStart(5, "0");

/** Fills shards in the given order; a tensor larger than a shard gets one of its own. At least one shard. */
function splitIntoShards(pairs: readonly (readonly [string, Tensor])[], maxShardBytes: number) {
  const shards: (readonly [string, Tensor])[][] = [[]];
  let shardBytes = 0;
  for (const pair of pairs) {
    const { sizeBytes } = pair[1];
    if (shardBytes + sizeBytes > maxShardBytes && shards.at(-1)!.length > 0) {
      shards.push([]);
      shardBytes = 0;
    }
    shards.at(-1)!.push(pair);
    shardBytes += sizeBytes;
  }
  return shards;
}
