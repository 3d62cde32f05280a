/** What teachers answered, on disk: a file for each piece of data, named by all that decides its content. */

import { createHash, type Hash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { WeightError } from "../errors.ts";
import { defaultStoreRoot } from "../store/store.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { readSafetensors, writeSafetensors } from "../weights/safetensors.ts";

export type Tensors = ReadonlyMap<string, Tensor>;

/**
 * Files appear whole or not at all, so processes may share the folder, and it may be removed at any time. A damaged file
 * is computed again.
 */
export class TeacherCache {
  constructor(private readonly folder: string = join(defaultStoreRoot(), "cache", "teachers")) {}

  /** What is kept under a key; what `compute` gives where nothing is, which is then kept. */
  async get(key: string, compute: () => Promise<Tensors>): Promise<Tensors> {
    const folder = join(this.folder, key.slice(0, 2));
    const path = join(folder, `${key}.safetensors`);
    try {
      return await readSafetensors(path);
    } catch (error) {
      if (!(error instanceof WeightError)) throw error;
    }
    const computed = await compute();
    await mkdir(folder, { recursive: true });
    await writeSafetensors(path, computed);
    return computed;
  }
}

/** Adds a tensor's name, dtype, shape and values to a hash. */
function hashTensor(hash: Hash, name: string, { dtype, shape, data }: Tensor): void {
  hash.update(`${name}:${dtype}[${shape}]\n`);
  hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** SHA-256 of texts and of named tensors. */
export function keyOf(texts: readonly string[], tensors: Iterable<readonly [string, Tensor]>): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text}\n`);
  for (const [name, tensor] of tensors) hashTensor(hash, name, tensor);
  return hash.digest("hex");
}
