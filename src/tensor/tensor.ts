/** Host tensors: a dtype, a shape of numbers and a row-major typed array. */

import { ShapeError } from "../errors.ts";
import { arrayOf, type DType, isBigInt, type TypedArray } from "./dtype.ts";

/** Number of elements of a shape; 1 for a scalar's `[]`. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, dim) => size * dim, 1);

/** An array in host memory. `data` is row-major and may be a view into a larger buffer. */
export class Tensor {
  /** @throws ShapeError when `data` has not the dtype's array class or not the shape's number of elements. */
  constructor(
    readonly dtype: DType,
    readonly shape: readonly number[],
    readonly data: TypedArray,
  ) {
    if (!(data instanceof arrayOf(dtype))) {
      throw new ShapeError(
        `tensor of ${dtype}: expected ${arrayOf(dtype).name}, got ${data?.constructor?.name}`,
      );
    }
    if (data.length !== sizeOf(shape)) {
      throw new ShapeError(
        `tensor of shape [${shape}]: expected ${sizeOf(shape)} elements, got ${data.length}`,
      );
    }
  }

  get size(): number {
    return this.data.length;
  }

  get sizeBytes(): number {
    return this.data.byteLength;
  }

  /** A tensor of zeros. */
  static zeros(dtype: DType, shape: readonly number[]): Tensor {
    return new Tensor(dtype, shape, new (arrayOf(dtype))(sizeOf(shape)));
  }

  /** A tensor from plain numbers, in row-major order. */
  static from(dtype: DType, shape: readonly number[], values: ArrayLike<number | bigint>): Tensor {
    const tensor = Tensor.zeros(dtype, shape);
    if (values.length !== tensor.size) {
      throw new ShapeError(
        `tensor of shape [${shape}]: expected ${tensor.size} values, got ${values.length}`,
      );
    }
    const encode = encoderOf(dtype);
    for (let i = 0; i < tensor.size; i++) tensor.data[i] = encode(values[i]!);
    return tensor;
  }

  /** The same elements under another shape of the same size; no copy. */
  reshape(shape: readonly number[]): Tensor {
    return new Tensor(this.dtype, shape, this.data);
  }

  /** Elements as plain numbers (int64 may lose bits beyond 2^53; float16 is decoded). */
  toNumbers(): number[] {
    if (this.dtype === "float16") return Array.from(this.data as Uint16Array, float16ToNumber);
    return Array.from(this.data as ArrayLike<number | bigint>, Number);
  }
}

function encoderOf(dtype: DType): (value: number | bigint) => number | bigint {
  if (isBigInt(dtype)) return BigInt;
  return dtype === "float16" ? (value) => numberToFloat16(Number(value)) : Number;
}

/** Decodes IEEE half-precision bits. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const scratchFloat = new Float32Array(1);
const scratchBits = new Uint32Array(scratchFloat.buffer);

/** Encodes a number as IEEE half-precision bits, rounding to nearest even; beyond 65,504 becomes infinity. */
export function numberToFloat16(value: number): number {
  scratchFloat[0] = value;
  const bits = scratchBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 65,536 and beyond, or infinity
  const exponent = magnitude >>> 23;
  if (exponent < 102) return sign; // below half of the smallest subnormal
  // Shift the significand (with its leading 1) to half precision, keeping the dropped bits for rounding.
  const isSubnormal = exponent < 113;
  const significand = isSubnormal ? (magnitude & 0x7fffff) | 0x800000 : magnitude - 0x38000000;
  const shift = isSubnormal ? 126 - exponent : 13;
  const kept = significand >>> shift;
  const dropped = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const roundUp = dropped > half || (dropped === half && (kept & 1) === 1);
  return sign | (kept + (roundUp ? 1 : 0));
}
