/**
 * The header of a safetensors file: which tensor lies where.
 * https://github.com/huggingface/safetensors#format
 * A file is 8 bytes of header length, the header in JSON, then the bytes of all tensors without a gap.
 */

import { WeightError } from "../errors.ts";
import { bitsOf, isStoredDType, type StoredDType, storedDTypes } from "./stored-dtype.ts";
import { parseStrictJson } from "./strict-json.ts";

/** The original's limit on the header. */
export const maxHeaderBytes = 100_000_000;

/** NumPy's limit on dimensions; the original has none. */
const maxRank = 64;

/** Bytes of the header's length at the start of a file. */
export const prefixBytes = 8;

/** Where a tensor lies: `offset` counts bytes from the start of the file. */
export interface SafetensorsEntry {
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface SafetensorsHeader {
  /** In the order of the bytes in the file. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  /** The free text under `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A tensor's name for a message, quoted and cut when it is very long. */
export const showName = (name: string): string =>
  JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);

/**
 * The header's length in bytes, from the first 8 bytes of a file of `fileBytes`.
 * @throws WeightError when the file is too short for it or the length passes 100 MB.
 */
export function headerLengthOf(prefix: Uint8Array, fileBytes: number, where: string): number {
  if (fileBytes < prefixBytes) {
    throw new WeightError(`${where}: a safetensors file has at least 8 bytes, this one has ${fileBytes}`);
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) {
    throw new WeightError(`${where}: the header may have ${maxHeaderBytes} bytes, the file says ${length}`);
  }
  if (Number(length) > fileBytes - prefixBytes) {
    throw new WeightError(
      `${where}: a header of ${length} bytes does not fit in a file of ${fileBytes} bytes`,
    );
  }
  return Number(length);
}

/**
 * Parses and checks a header against the size of its file. @throws WeightError naming the file and the tensor at
 * fault when anything is not exactly as the format demands.
 */
export function parseHeader(bytes: Uint8Array, fileBytes: number, where: string): SafetensorsHeader {
  const header = parseObject(bytes, where);
  const dataStart = prefixBytes + bytes.length;
  const entries: [string, SafetensorsEntry][] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name !== "__metadata__") entries.push([name, parseEntry(name, value, dataStart, where)]);
  }
  entries.sort(([, a], [, b]) => a.offset - b.offset || a.sizeBytes - b.sizeBytes);
  assertContiguous(entries, dataStart, fileBytes, where);
  return { entries: new Map(entries), metadata: parseMetadata(header.__metadata__, where) };
}

function parseObject(bytes: Uint8Array, where: string): Record<string, unknown> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.startsWith("{")) throw new SyntaxError("it must start with {");
    return parseStrictJson(text, { integersOnly: true }) as Record<string, unknown>;
  } catch (cause) {
    throw new WeightError(`${where}: the header is not valid: ${(cause as Error).message}`, { cause });
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isRange = (value: unknown): value is [number, number] =>
  Array.isArray(value) && value.length === 2 && value.every(isCount) && value[0]! <= value[1]!;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function parseEntry(name: string, value: unknown, dataStart: number, file: string): SafetensorsEntry {
  const where = `${file}: tensor ${showName(name)}`;
  if (/\p{Surrogate}/u.test(name)) throw new WeightError(`${where}: the name is not valid Unicode`);
  if (!isRecord(value))
    throw new WeightError(`${where}: expected an object of dtype, shape and data_offsets`);
  const { dtype, shape, data_offsets: range } = value;
  if (!isStoredDType(dtype)) {
    const known = storedDTypes.join(", ");
    throw new WeightError(`${where}: dtype must be one of ${known}; the header has ${show(dtype)}`);
  }
  if (!Array.isArray(shape) || shape.length > maxRank || !shape.every(isCount)) {
    throw new WeightError(
      `${where}: shape must be an array of at most ${maxRank} integers ≥ 0, the header has ${show(shape)}`,
    );
  }
  if (!isRange(range)) {
    throw new WeightError(`${where}: data_offsets must be [start, end], the header has ${show(range)}`);
  }
  const [start, end] = range;
  const sizeBytes = sizeBytesOf(dtype, shape, where);
  if (end - start !== sizeBytes) {
    throw new WeightError(
      `${where}: ${dtype} of shape ${show(shape)} takes ${sizeBytes} bytes, data_offsets span ${end - start}`,
    );
  }
  return { dtype, shape, offset: dataStart + start, sizeBytes };
}

const show = (value: unknown): string => (JSON.stringify(value) ?? "none").slice(0, 100);

/** Bytes of a tensor. @throws WeightError beyond 2^53 elements or where sub-byte elements do not fill bytes. */
function sizeBytesOf(dtype: StoredDType, shape: readonly number[], where: string): number {
  let elements = 1;
  for (const dim of shape) {
    elements *= dim;
    if (elements > Number.MAX_SAFE_INTEGER)
      throw new WeightError(`${where}: shape ${show(shape)} is too large`);
  }
  const sizeBytes = (elements / 8) * bitsOf(dtype); // exact: a division by 8, then at most 8 times as large
  if (!Number.isInteger(sizeBytes)) {
    throw new WeightError(`${where}: ${elements} elements of ${dtype} do not fill whole bytes`);
  }
  return sizeBytes;
}

function assertContiguous(
  entries: readonly (readonly [string, SafetensorsEntry])[],
  dataStart: number,
  fileBytes: number,
  where: string,
): void {
  let expected = dataStart;
  for (const [name, { offset, sizeBytes }] of entries) {
    if (offset !== expected) {
      const fault = offset < expected ? "overlaps the tensor before it" : "leaves a gap before it";
      const start = offset - dataStart;
      throw new WeightError(
        `${where}: tensor ${showName(name)} must start at byte ${expected - dataStart} of the data, ` +
          `it starts at ${start} and ${fault}`,
      );
    }
    expected += sizeBytes;
  }
  if (expected !== fileBytes) {
    const fault = expected < fileBytes ? "has trailing bytes" : "is cut short";
    throw new WeightError(
      `${where}: the header describes a file of ${expected} bytes, this one has ${fileBytes} and ${fault}`,
    );
  }
}

function parseMetadata(value: unknown, where: string): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (!isRecord(value) || !Object.values(value).every((text) => typeof text === "string")) {
    throw new WeightError(`${where}: __metadata__ must map text to text, the header has ${show(value)}`);
  }
  return value as Record<string, string>;
}
