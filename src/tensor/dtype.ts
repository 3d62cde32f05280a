/** Element types and the JavaScript arrays that hold them. */

/** float16 is stored as raw bits in a Uint16Array, bool as 0/1 in a Uint8Array. */
export type DType =
  | "float32"
  | "float64"
  | "float16"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "bool";

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

type ArrayConstructor = {
  new (length: number): TypedArray;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): TypedArray;
  readonly BYTES_PER_ELEMENT: number;
};

const arrays: Record<DType, ArrayConstructor> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

/** The typed array class that holds elements of `dtype`. */
export const arrayOf = (dtype: DType): ArrayConstructor => arrays[dtype];

/** Bytes of one element. */
export const bytesOf = (dtype: DType): number => arrays[dtype].BYTES_PER_ELEMENT;

export const isFloat = (dtype: DType): boolean => dtype.startsWith("float");

/** True for the dtypes whose typed array holds bigint. */
export const isBigInt = (dtype: DType): boolean => dtype === "int64" || dtype === "uint64";
