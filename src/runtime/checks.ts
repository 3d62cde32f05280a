/** Checks of a run's tensors against the model, before ONNX Runtime sees them. */

import { ShapeError } from "../errors.ts";
import { sizeOf, type Tensor } from "../tensor/tensor.ts";
import type { Feeds, Fetches, ValueInfo } from "./session.ts";

const showNames = (values: readonly ValueInfo[]): string =>
  values.map(({ name }) => name).join(", ") || "none";

const show = ({ dtype, shape }: { dtype: string; shape: readonly (number | string)[] }): string =>
  `${dtype} [${shape.map((dim) => dim || "?").join(", ")}]`;

/** ORT reports a value of unknown rank like a scalar, so `[]` admits every shape. */
const admits = (shape: ValueInfo["shape"], sizes: readonly number[]): boolean =>
  shape.length === 0 ||
  (shape.length === sizes.length &&
    shape.every((dim, axis) => typeof dim === "string" || dim === sizes[axis]));

function checkTensor(where: string, info: ValueInfo, tensor: Tensor): void {
  if (tensor.dtype !== info.dtype || !admits(info.shape, tensor.shape)) {
    throw new ShapeError(`${where}: ${info.name}: expected ${show(info)}, got ${show(tensor)}`);
  }
  if (tensor.data.length !== sizeOf(tensor.shape)) {
    throw new ShapeError(
      `${where}: ${info.name}: its memory was given away earlier; pass a tensor you still own`,
    );
  }
  if (tensor.data.buffer instanceof SharedArrayBuffer) {
    throw new ShapeError(
      `${where}: ${info.name}: lies in a SharedArrayBuffer, which ORT refuses; pass a copy`,
    );
  }
}

/** @throws ShapeError when a feed is missing, unknown, or of another dtype, rank or fixed size. */
export function checkFeeds(where: string, inputs: readonly ValueInfo[], feeds: Feeds): void {
  for (const info of inputs) {
    const tensor = feeds[info.name];
    if (!tensor)
      throw new ShapeError(`${where}: feed "${info.name}" is missing; it needs ${showNames(inputs)}`);
    checkTensor(where, info, tensor);
  }
  for (const name of Object.keys(feeds)) {
    if (!inputs.some((info) => info.name === name)) {
      throw new ShapeError(`${where}: there is no input "${name}"; it has ${showNames(inputs)}`);
    }
  }
}

/** What a run must produce: by output name a tensor to write into, or null. @throws ShapeError when it cannot. */
export function wantedOutputs(
  where: string,
  outputs: readonly ValueInfo[],
  fetches: Fetches = outputs.map(({ name }) => name),
): Record<string, Tensor | null> {
  const wanted: Record<string, Tensor | null> = Array.isArray(fetches)
    ? Object.fromEntries(fetches.map((name) => [name, null]))
    : { ...fetches };
  const names = Object.keys(wanted);
  if (names.length === 0) throw new ShapeError(`${where}: no output is wanted; it has ${showNames(outputs)}`);
  for (const name of names) {
    const info = outputs.find((output) => output.name === name);
    if (!info) throw new ShapeError(`${where}: there is no output "${name}"; it has ${showNames(outputs)}`);
    const target = wanted[name];
    if (target) checkTensor(where, info, target);
  }
  return wanted;
}

/** The wanted results, copied into the tensors given for them. @throws ShapeError when one has another shape. */
export function fillTargets(
  where: string,
  wanted: Readonly<Record<string, Tensor | null>>,
  results: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  const filled = Object.entries(wanted).map(([name, target]): [string, Tensor] => {
    if (target) copyInto(target, results[name]!, `${where}: ${name}`);
    return [name, target ?? results[name]!];
  });
  return Object.fromEntries(filled);
}

function copyInto(target: Tensor, source: Tensor, where: string): void {
  if (String(target.shape) !== String(source.shape)) {
    throw new ShapeError(
      `${where}: the tensor to write into is [${target.shape}], computed was [${source.shape}]`,
    );
  }
  (target.data as Uint8Array).set(source.data as Uint8Array);
}
