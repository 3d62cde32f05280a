/** Reading and writing safetensors files, as strictly as the original library does. */

import { type FileHandle, open } from "node:fs/promises";
import { WeightError } from "../errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { fillFileAtomic, readFully, writeFully } from "./atomic.ts";
import {
  headerLengthOf,
  maxHeaderBytes,
  parseHeader,
  prefixBytes,
  type SafetensorsEntry,
  type SafetensorsHeader,
  showName,
} from "./safetensors-header.ts";
import { storedDTypeOf, storedDTypes, tensorOf } from "./stored-dtype.ts";

/** Named tensors, as pairs or as a plain object. */
export type NamedTensors = Iterable<readonly [string, Tensor]> | Readonly<Record<string, Tensor>>;

/** An open safetensors file. Opening reads only the header; each tensor is read when asked for. */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    readonly entries: ReadonlyMap<string, SafetensorsEntry>,
    readonly metadata: Readonly<Record<string, string>>,
    private readonly handle: FileHandle,
  ) {}

  /** @throws WeightError when the file cannot be read or its header is not valid. */
  static async open(path: string): Promise<SafetensorsFile> {
    const handle = await asWeightError(path, () => open(path, "r"));
    try {
      const { entries, metadata } = await asWeightError(path, () => readHeader(handle, path));
      return new SafetensorsFile(path, entries, metadata, handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * The tensor of that name; BF16 and F8 become float32. Reads may run at the same time.
   * @throws WeightError when the name is not in the file or the read fails.
   */
  async read(name: string): Promise<Tensor> {
    const where = `${this.path}: tensor ${showName(name)}`;
    const entry = this.entries.get(name);
    if (!entry) throw new WeightError(`${where}: is not in the file, which has ${this.entries.size} tensors`);
    return asWeightError(where, async () => {
      const bytes = await readExactly(this.handle, entry.offset, entry.sizeBytes, where);
      return tensorOf(entry.dtype, entry.shape, bytes, where);
    });
  }

  /** All tensors, in the order of the file. */
  async readAll(): Promise<Map<string, Tensor>> {
    const tensors = new Map<string, Tensor>();
    for (const name of this.entries.keys()) tensors.set(name, await this.read(name));
    return tensors;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** Opens, reads and closes a whole file. @throws WeightError as `SafetensorsFile` does. */
export async function readSafetensors(path: string): Promise<Map<string, Tensor>> {
  const file = await SafetensorsFile.open(path);
  try {
    return await file.readAll();
  } finally {
    await file.close();
  }
}

/** The tensors of a file held in memory, as copies or views of `bytes`. @throws WeightError naming `where`. */
export function parseSafetensors(
  bytes: Uint8Array,
  where = "safetensors data",
): { tensors: Map<string, Tensor>; metadata: Readonly<Record<string, string>> } {
  const length = headerLengthOf(bytes, bytes.length, where);
  const header = bytes.subarray(prefixBytes, prefixBytes + length);
  const { entries, metadata } = parseHeader(header, bytes.length, where);
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, offset, sizeBytes }] of entries) {
    const content = bytes.subarray(offset, offset + sizeBytes);
    tensors.set(name, tensorOf(dtype, shape, content, `${where}: tensor ${showName(name)}`));
  }
  return { tensors, metadata };
}

async function readHeader(handle: FileHandle, path: string): Promise<SafetensorsHeader> {
  const { size } = await handle.stat();
  const prefix = new Uint8Array(prefixBytes);
  await readFully(handle, prefix, 0);
  const length = headerLengthOf(prefix, size, path);
  return parseHeader(await readExactly(handle, prefixBytes, length, path), size, path);
}

async function readExactly(
  handle: FileHandle,
  position: number,
  length: number,
  where: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const bytesRead = await readFully(handle, bytes, position);
  if (bytesRead < length) {
    throw new WeightError(
      `${where}: expected ${length} bytes at ${position}, the file ended after ${bytesRead}`,
    );
  }
  return bytes;
}

/** Turns errors of the file system and of allocation into a WeightError that names the file. */
async function asWeightError<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof WeightError) throw cause;
    throw new WeightError(`${where}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Writes a safetensors file that appears whole or not at all. Equal tensors give equal bytes: wide elements come
 * first (so every tensor is aligned), then names in order. Tensors are written one by one, without a copy.
 * @throws WeightError for a bad or repeated name, a header beyond 100 MB, or a failing disk; the old file stays.
 */
export async function writeSafetensors(
  path: string,
  tensors: NamedTensors,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const sorted = sortForWriting(toPairs(tensors), path);
  const header = encodeHeader(sorted, metadata);
  if (header.length > maxHeaderBytes) {
    throw new WeightError(
      `${path}: the header may have ${maxHeaderBytes} bytes, these names need ${header.length}`,
    );
  }
  const prefix = new Uint8Array(prefixBytes);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(header.length), true);
  await asWeightError(path, () =>
    fillFileAtomic(path, async (handle) => {
      await writeFully(handle, prefix);
      await writeFully(handle, header);
      for (const [, { data }] of sorted) {
        await writeFully(handle, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      }
    }),
  );
}

/** Named tensors as a list of pairs. */
export const toPairs = (tensors: NamedTensors): (readonly [string, Tensor])[] =>
  Symbol.iterator in tensors
    ? [...(tensors as Iterable<readonly [string, Tensor]>)]
    : Object.entries(tensors as Readonly<Record<string, Tensor>>);

function sortForWriting(
  pairs: readonly (readonly [string, Tensor])[],
  path: string,
): (readonly [string, Tensor])[] {
  const names = new Set<string>();
  for (const [name] of pairs) {
    const where = `${path}: tensor ${showName(name)}`;
    if (names.has(name)) throw new WeightError(`${where}: the name is given twice`);
    if (name === "__metadata__" || /\p{Surrogate}/u.test(name)) {
      throw new WeightError(`${where}: the format does not allow this name`);
    }
    names.add(name);
  }
  const rankOf = ({ dtype }: Tensor): number => storedDTypes.indexOf(storedDTypeOf(dtype));
  return [...pairs].sort(([a, x], [b, y]) => rankOf(x) - rankOf(y) || (a < b ? -1 : 1));
}

/** The header in JSON, padded with spaces to a multiple of 8 bytes. */
function encodeHeader(
  pairs: readonly (readonly [string, Tensor])[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const members: [string, unknown][] =
    Object.keys(metadata).length > 0 ? [["__metadata__", sortKeys(metadata)]] : [];
  let start = 0;
  for (const [name, { dtype, shape, sizeBytes }] of pairs) {
    const end = start + sizeBytes;
    members.push([name, { dtype: storedDTypeOf(dtype), shape, data_offsets: [start, end] }]);
    start = end;
  }
  // Joined by hand, because a plain object would move integer-like names to the front.
  const text = members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",");
  const bytes = Buffer.from(`{${text}}`);
  return Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8, " ")]);
}

const sortKeys = (record: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
