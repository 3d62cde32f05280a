/**
 * An index on disk: `index.safetensors` with the vectors, what each stands for, and the model that made them. It is
 * written to another name and renamed, so that a reader sees a whole index, the old one or the new, whatever ends the
 * writer. N items, P features.
 */

import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { float16ToNumber, numberToFloat16, Tensor } from "../tensor/tensor.ts";
import { removeStale, temporaryPattern } from "../weights/atomic.ts";
import { SafetensorsFile, writeSafetensors } from "../weights/safetensors.ts";

/** A picture or, where it has a `text`, a text. */
const itemSchema = z.object({
  /** Its file, and its place in it. */
  source: z.string(),
  text: z.string().optional(),
  /** Of the picture's bytes or of the text: what has the same one has the same vector. */
  hash: z.string(),
});

const aboutSchema = z.object({
  format: z.literal("1"),
  /** Another one each time the index is written. */
  id: z.string(),
  /** What opens the model: a name with its version, or a folder. */
  model: z.string(),
  /** Of the model's files; vectors of other models cannot be compared. */
  modelHash: z.string(),
  /** The folder or data set that was read. */
  data: z.string(),
});

export type IndexItem = z.infer<typeof itemSchema>;
export type IndexAbout = Omit<z.infer<typeof aboutSchema>, "format" | "id">;

export interface VectorIndex {
  readonly id: string;
  readonly about: IndexAbout;
  readonly items: readonly IndexItem[];
  /** [N, P], each of length 1 up to the rounding of float16. */
  readonly vectors: Float32Array;
  readonly width: number;
}

const fileName = "index.safetensors";

export const isIndex = (folder: string): boolean => existsSync(join(folder, fileName));

/** @throws ConfigError when the folder holds no index, WeightError or ConfigError when it is damaged. */
export async function readIndex(folder: string): Promise<VectorIndex> {
  const path = join(folder, fileName);
  if (!existsSync(path)) {
    throw new ConfigError(`${folder}: holds no index; make one with tesserae index`, { code: "not_found" });
  }
  const file = await SafetensorsFile.open(path);
  try {
    const { id, format: _, ...about } = aboutSchema.parse(file.metadata);
    const [stored, list] = await Promise.all([file.read("vectors"), file.read("items")]);
    const text = new TextDecoder().decode(list.data as Uint8Array);
    const items = z.array(itemSchema).parse(JSON.parse(text));
    const [count, width] = stored.shape as [number, number];
    if (count !== items.length) throw new Error(`${count} vectors for ${items.length} items`);
    return { id, about, items, vectors: fromHalf(stored.data as Uint16Array), width };
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message;
    throw new ConfigError(`${path}: is no index or damaged (${reason}); make it anew`, { cause });
  } finally {
    await file.close();
  }
}

/** Makes or replaces the index of a folder; returns its new id. */
export async function writeIndex(folder: string, index: Omit<VectorIndex, "id">): Promise<string> {
  const { about, items, vectors, width } = index;
  const id = randomUUID();
  await mkdir(folder, { recursive: true });
  await removeStale(folder, temporaryPattern);
  await assertOwnFolder(folder);
  const list = new TextEncoder().encode(JSON.stringify(items));
  const tensors = {
    vectors: new Tensor("float16", [items.length, width], Uint16Array.from(vectors, numberToFloat16)),
    items: new Tensor("uint8", [list.length], list),
  };
  await writeSafetensors(join(folder, fileName), tensors, { format: "1", id, ...about });
  return id;
}

/** @throws ConfigError for a folder that holds other things, such as the pictures themselves. */
export async function assertOwnFolder(folder: string): Promise<void> {
  if (!existsSync(folder) || isIndex(folder)) return;
  const others = (await readdir(folder)).filter((name) => !temporaryPattern.test(name));
  if (others.length === 0) return;
  throw new ConfigError(`${folder}: holds other files (${others[0]}); give an index a folder of its own`);
}

/** All float16 numbers by their bits; 256 KB, made when first needed. */
let halves: Float32Array | undefined;

function fromHalf(bits: Uint16Array): Float32Array {
  halves ??= Float32Array.from({ length: 65_536 }, (_, at) => float16ToNumber(at));
  const table = halves;
  const values = new Float32Array(bits.length);
  for (let at = 0; at < bits.length; at++) values[at] = table[bits[at]!]!;
  return values;
}
