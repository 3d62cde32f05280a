/**
 * Values on their way between threads: tensors move with their memory, errors keep their class.
 * Tensors are found in arrays and plain objects; everything else is left to structured cloning.
 */

import {
  ConfigError,
  type ErrorCode,
  ImageError,
  RequestError,
  RuntimeFailure,
  ShapeError,
  TesseraeError,
  WeightError,
} from "../errors.ts";
import type { DType, TypedArray } from "../tensor/dtype.ts";
import { sizeOf, Tensor } from "../tensor/tensor.ts";

interface PackedTensor {
  $tensor: DType;
  shape: readonly number[];
  data: TypedArray;
}

export interface PackedError {
  name: string;
  message: string;
  stack?: string;
  code?: ErrorCode;
  cause?: PackedError;
}

/** A tensor with the same elements in memory of its own. */
export const copyTensor = ({ dtype, shape, data }: Tensor): Tensor => new Tensor(dtype, shape, data.slice());

/** The same structure with `change` applied to whatever is neither an array nor a plain object. */
function mapLeaves(value: unknown, change: (leaf: object) => unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => mapLeaves(item, change));
  const prototype = Object.getPrototypeOf(value);
  if ((prototype !== Object.prototype && prototype !== null) || "$tensor" in value) return change(value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapLeaves(item, change)]));
}

/**
 * Prepares a value for `postMessage`, collecting the memory that moves with it. A tensor that is only part of its
 * ArrayBuffer, or shared, is copied, since moving it would take its neighbours along.
 * @throws ShapeError for a tensor whose memory has moved already.
 */
export function pack(value: unknown, moved: Set<ArrayBuffer>): unknown {
  return mapLeaves(value, (leaf) => {
    if (!(leaf instanceof Tensor)) return leaf;
    const { dtype, shape } = leaf;
    if (leaf.data.length !== sizeOf(shape)) {
      throw new ShapeError(
        `tensor of shape [${shape}]: its memory was given to another thread earlier; pass a new one`,
      );
    }
    const { buffer, byteLength } = leaf.data;
    const movable = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
    const data = movable ? leaf.data : leaf.data.slice();
    moved.add(data.buffer as ArrayBuffer);
    return { $tensor: dtype, shape, data } satisfies PackedTensor;
  });
}

/** Undoes `pack` on the other side. */
export function unpack(value: unknown): unknown {
  return mapLeaves(value, (leaf) => {
    if (!("$tensor" in leaf)) return leaf;
    const { $tensor, shape, data } = leaf as PackedTensor;
    return new Tensor($tensor, shape, data);
  });
}

/** Everything worth keeping of whatever was thrown. */
export function packError(thrown: unknown): PackedError {
  if (!(thrown instanceof Error)) return { name: "Error", message: String(thrown) };
  const { name, message, stack, cause } = thrown;
  const code = thrown instanceof TesseraeError ? thrown.code : undefined;
  return { name, message, stack, code, cause: cause === undefined ? undefined : packError(cause) };
}

const classes = { ConfigError, RequestError, RuntimeFailure } as const;

/** The error again, of its class and code; its `cause` carries the stack of the other thread. */
export function unpackError(packed: PackedError): Error {
  const { name, message, code } = packed;
  const options = { cause: plainError(packed), code };
  if (code === undefined) return plainError(packed);
  if (name === "ShapeError") return new ShapeError(message, options);
  if (name === "WeightError") return new WeightError(message, options);
  if (name === "ImageError") return new ImageError(message, options);
  if (name in classes) return new classes[name as keyof typeof classes](message, options);
  return new TesseraeError(code, message, options);
}

function plainError({ name, message, stack, cause }: PackedError): Error {
  const error = new Error(message, cause && { cause: unpackError(cause) });
  return Object.assign(error, { name, stack });
}
