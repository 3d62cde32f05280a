/**
 * Tensors of the Open Inference Protocol, version 2: numbers, or elements that are bytes, and their binary form (row
 * major, little-endian, no padding).
 */

import { RequestError } from "../../errors.ts";
import { arrayOf, bytesOf, type DType, isFloat } from "../../tensor/dtype.ts";
import { sizeOf, Tensor } from "../../tensor/tensor.ts";

/** The protocol's `BYTES`: elements of any length, texts in UTF-8. */
export class BytesTensor {
  /** @throws RequestError when there are not as many elements as the shape says. */
  constructor(
    readonly shape: readonly number[],
    readonly elements: readonly Uint8Array[],
  ) {
    if (elements.length === sizeOf(shape)) return;
    throw new RequestError(
      `BYTES tensor of shape [${shape}]: expected ${sizeOf(shape)} elements, got ${elements.length}`,
    );
  }

  static ofTexts(shape: readonly number[], texts: readonly string[]): BytesTensor {
    return new BytesTensor(
      shape,
      texts.map((text) => Buffer.from(text)),
    );
  }

  texts(): string[] {
    return this.elements.map((element) => Buffer.from(element).toString());
  }
}

export type V2Tensor = Tensor | BytesTensor;

const dtypes: Readonly<Record<string, DType>> = {
  BOOL: "bool",
  UINT8: "uint8",
  UINT16: "uint16",
  UINT32: "uint32",
  UINT64: "uint64",
  INT8: "int8",
  INT16: "int16",
  INT32: "int32",
  INT64: "int64",
  FP16: "float16",
  FP32: "float32",
  FP64: "float64",
};

const datatypes = Object.fromEntries(Object.entries(dtypes).map(([datatype, dtype]) => [dtype, datatype]));

export const datatypeOfDType = (dtype: DType): string => datatypes[dtype]!;

export const datatypeOf = (tensor: V2Tensor): string =>
  tensor instanceof BytesTensor ? "BYTES" : datatypeOfDType(tensor.dtype);

/** The element type of a numeric datatype, undefined for BYTES. @throws RequestError for one that is not known. */
export function dtypeOf(datatype: string, where: string): DType | undefined {
  if (datatype === "BYTES") return undefined;
  const dtype = dtypes[datatype];
  if (dtype && Object.hasOwn(dtypes, datatype)) return dtype;
  const known = Object.keys(dtypes).join(", ");
  throw new RequestError(
    `${where}: there is no datatype "${datatype.slice(0, 40)}"; known are ${known}, BYTES`,
  );
}

/** The tensor of a binary form; elements of BYTES are views. @throws RequestError when its size is not the shape's. */
export function tensorOfBytes(
  where: string,
  datatype: string,
  shape: readonly number[],
  bytes: Uint8Array,
): V2Tensor {
  const dtype = dtypeOf(datatype, where);
  if (!dtype) return new BytesTensor(shape, elementsIn(where, bytes));
  const expected = sizeOf(shape) * bytesOf(dtype);
  if (bytes.length !== expected) {
    throw new RequestError(
      `${where}: ${datatype} of shape [${shape}] has ${expected} bytes, got ${bytes.length}`,
    );
  }
  const memory = new Uint8Array(bytes); // aligned, and its own
  if (dtype === "bool")
    return new Tensor(
      dtype,
      shape,
      memory.map((value) => Number(value !== 0)),
    );
  return new Tensor(dtype, shape, new (arrayOf(dtype))(memory.buffer));
}

/** @throws RequestError when a whole number does not fit in the element type. */
export function tensorOfNumbers(
  where: string,
  dtype: DType,
  shape: readonly number[],
  values: readonly (number | bigint)[],
): Tensor {
  const tensor = Tensor.from(dtype, shape, values);
  const wrong = isFloat(dtype)
    ? -1
    : values.findIndex((value, at) => BigInt(tensor.data[at]!) !== BigInt(value));
  if (wrong < 0) return tensor;
  throw new RequestError(
    `${where}: ${values[wrong]} at element ${wrong + 1} is no ${datatypeOfDType(dtype)}`,
  );
}

/** The binary form of a tensor. */
export function bytesOfTensor(tensor: V2Tensor): Uint8Array {
  if (tensor instanceof BytesTensor) return Buffer.concat(tensor.elements.flatMap(lengthAndBytes));
  const { buffer, byteOffset, byteLength } = tensor.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Bytes of the length that stands before each element. */
const lengthBytes = 4;
/** An element costs far more than its bytes, of which it may have none. */
const maxElements = 65_536;

function lengthAndBytes(element: Uint8Array): Uint8Array[] {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32LE(element.length);
  return [length, element];
}

function elementsIn(where: string, bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const start = at + lengthBytes;
    const end = start <= bytes.length ? start + view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (end > bytes.length) {
      throw new RequestError(
        `${where}: element ${elements.length + 1} ends behind the ${bytes.length} bytes of the tensor`,
      );
    }
    if (elements.length === maxElements)
      throw new RequestError(`${where}: a BYTES tensor may have ${maxElements} elements; send it in parts`);
    elements.push(bytes.subarray(start, end));
    at = end;
  }
  return elements;
}
