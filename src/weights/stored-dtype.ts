/**
 * The element types of the safetensors format, and how their bytes become host tensors.
 * Bytes are little-endian, as are all machines ONNX Runtime supports.
 */

import { WeightError } from "../errors.ts";
import { arrayOf, type DType } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";

interface StoredType {
  readonly bits: number;
  /** The dtype of our tensors with exactly these bytes. */
  readonly dtype?: DType;
  /** Where the bytes differ: float32 values of the stored elements. */
  readonly toFloat32?: (bytes: Uint8Array) => Float32Array<ArrayBuffer>;
}

/** From the largest alignment to the smallest, which is the order in which tensors are written. */
const storedTypes = {
  U64: { bits: 64, dtype: "uint64" },
  I64: { bits: 64, dtype: "int64" },
  F64: { bits: 64, dtype: "float64" },
  C64: { bits: 64 },
  F32: { bits: 32, dtype: "float32" },
  U32: { bits: 32, dtype: "uint32" },
  I32: { bits: 32, dtype: "int32" },
  BF16: { bits: 16, toFloat32: fromBfloat16 },
  F16: { bits: 16, dtype: "float16" },
  U16: { bits: 16, dtype: "uint16" },
  I16: { bits: 16, dtype: "int16" },
  F8_E5M2FNUZ: { bits: 8, toFloat32: byTable(float8Table(5, 16, "fnuz")) },
  F8_E4M3FNUZ: { bits: 8, toFloat32: byTable(float8Table(4, 8, "fnuz")) },
  F8_E8M0: {
    bits: 8,
    toFloat32: byTable(Array.from({ length: 256 }, (_, e) => (e < 255 ? 2 ** (e - 127) : NaN))),
  },
  F8_E4M3: { bits: 8, toFloat32: byTable(float8Table(4, 7, "finite")) },
  F8_E5M2: { bits: 8, toFloat32: byTable(float8Table(5, 15, "ieee")) },
  I8: { bits: 8, dtype: "int8" },
  U8: { bits: 8, dtype: "uint8" },
  F6_E3M2: { bits: 6 },
  F6_E2M3: { bits: 6 },
  F4: { bits: 4 },
  BOOL: { bits: 8, dtype: "bool" },
} satisfies Record<string, StoredType>;

/** A dtype as a safetensors header names it. */
export type StoredDType = keyof typeof storedTypes;

export const storedDTypes = Object.keys(storedTypes) as readonly StoredDType[];

export const isStoredDType = (name: unknown): name is StoredDType =>
  typeof name === "string" && Object.hasOwn(storedTypes, name);

const typeOf = (stored: StoredDType): StoredType => storedTypes[stored];

export const bitsOf = (stored: StoredDType): number => typeOf(stored).bits;

/** The dtype whose tensors have the same bytes; undefined where reading converts (BF16, F8) or is unsupported. */
export const sameBytesDType = (stored: StoredDType): DType | undefined => typeOf(stored).dtype;

const storedNames = new Map(storedDTypes.map((stored) => [sameBytesDType(stored), stored]));

/** The name under which tensors of `dtype` are stored. */
export const storedDTypeOf = (dtype: DType): StoredDType => storedNames.get(dtype)!;

/**
 * A tensor from an entry's bytes, without a copy where dtype and alignment allow. BF16 and F8 become float32.
 * @throws WeightError for C64, F6 and F4, which have no host dtype, and for a BOOL that is neither 0 nor 1.
 */
export function tensorOf(
  stored: StoredDType,
  shape: readonly number[],
  bytes: Uint8Array,
  where: string,
): Tensor {
  const { dtype, toFloat32 } = typeOf(stored);
  if (toFloat32) return new Tensor("float32", shape, toFloat32(bytes));
  if (!dtype) {
    throw new WeightError(
      `${where}: ${stored} cannot be read as a tensor; convert the checkpoint to F32 or F16`,
    );
  }
  if (dtype === "bool" && bytes.some((value) => value > 1)) {
    throw new WeightError(`${where}: BOOL elements must be 0 or 1; the file is damaged`);
  }
  const array = arrayOf(dtype);
  const isAligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0;
  const aligned = isAligned ? bytes : new Uint8Array(bytes);
  const length = aligned.byteLength / array.BYTES_PER_ELEMENT;
  return new Tensor(dtype, shape, new array(aligned.buffer, aligned.byteOffset, length));
}

/** bfloat16 is the upper half of a float32. */
function fromBfloat16(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(bytes.length / 2);
  for (let i = 0; i < words.length; i++) words[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
  return new Float32Array(words.buffer);
}

function byTable(table: ArrayLike<number>): (bytes: Uint8Array) => Float32Array<ArrayBuffer> {
  const values = Float32Array.from(table);
  return (bytes) => Float32Array.from(bytes, (code) => values[code]!);
}

/**
 * The values of the 256 codes of an 8-bit float: 1 sign bit, `exponentBits`, the rest fraction.
 * "ieee" has infinities and NaNs; "finite" has no infinity and one NaN of each sign (Micikevicius et al. 2022,
 * https://arxiv.org/abs/2209.05433); "fnuz" has one NaN in place of −0 (Noune et al. 2022,
 * https://arxiv.org/abs/2206.02915).
 */
function float8Table(exponentBits: number, bias: number, specials: "ieee" | "finite" | "fnuz"): number[] {
  const fractionBits = 7 - exponentBits;
  const topExponent = 2 ** exponentBits - 1;
  return Array.from({ length: 256 }, (_, code) => {
    const magnitude = code & 0x7f;
    const sign = code >= 128 ? -1 : 1;
    if (specials === "fnuz" && code === 0x80) return Number.NaN;
    if (specials === "finite" && magnitude === 0x7f) return Number.NaN;
    const exponent = magnitude >> fractionBits;
    const fraction = (magnitude & (2 ** fractionBits - 1)) / 2 ** fractionBits;
    if (specials === "ieee" && exponent === topExponent) return fraction ? Number.NaN : sign * Infinity;
    return exponent === 0
      ? sign * fraction * 2 ** (1 - bias)
      : sign * (1 + fraction) * 2 ** (exponent - bias);
  });
}
