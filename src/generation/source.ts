/** What an encoder reads: sources of different lengths in one batch. B rows, S tokens of the longest. */

import { RequestError } from "../errors.ts";
import type { Session } from "../runtime/session.ts";
import { arrayOf } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";

/**
 * One row's inputs of the encoder by name, without the batch axis: `input_ids` [S], `pixel_values` [C, H, W], or
 * `vision_features` [images, …]. The mask of padding is made here, unless a source has an `attention_mask` [S].
 */
export type Source = Readonly<Record<string, Tensor>>;

/** What the encoder makes of one source: a row of outputs that others may share, and its length there. */
export interface EncodedSource {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly row: number;
  readonly length: number;
}

/**
 * Encodes sources, those of like sizes together.
 * @throws RequestError when sources have not the inputs that the encoder reads.
 */
export async function encodeSources(encoder: Session, sources: readonly Source[]): Promise<EncodedSource[]> {
  const groups = new Map<string, number[]>();
  for (const [at, source] of sources.entries()) {
    const sizes = freeSizes(encoder, source);
    groups.set(sizes, [...(groups.get(sizes) ?? []), at]);
  }
  const encoded: EncodedSource[] = new Array(sources.length);
  for (const places of groups.values()) {
    const some = places.map((at) => sources[at]!);
    const { outputs, lengths } = await encodeAlike(encoder, some);
    for (const [row, at] of places.entries()) encoded[at] = { outputs, row, length: lengths[row]! };
  }
  return encoded;
}

/** Sizes of a source that may differ beside that of its first axis, such as how many frames its images have. */
const freeSizes = (encoder: Session, source: Source): string =>
  encoder.inputs
    .flatMap(({ name, shape }) =>
      shape.slice(2).map((size, axis) => (typeof size === "number" ? "" : source[name]?.shape[axis + 1])),
    )
    .join();

/** The outputs for sources whose sizes agree but for those of first axes, and the length of each. */
async function encodeAlike(
  encoder: Session,
  sources: readonly Source[],
): Promise<{ outputs: Record<string, Tensor>; lengths: number[] }> {
  const feeds: Record<string, Tensor> = {};
  for (const { name } of encoder.inputs) {
    const parts = sources.map((source) => (name === "attention_mask" ? maskOf(source) : source[name]));
    feeds[name] = stackRows(name, parts);
  }
  const outputs = await encoder.run(feeds);
  const [first] = Object.values(outputs);
  return { outputs, lengths: sources.map((source) => lengthOf(source, feeds, first!.shape[2]!)) };
}

/** The source's own mask, or all of its tokens. */
const maskOf = ({ input_ids, attention_mask }: Source): Tensor =>
  attention_mask ?? Tensor.from("int64", [input_ids!.size], new Array(input_ids!.size).fill(1));

/** Length of what the encoder makes of a source: its tokens, or of images its share of the `longest`. */
function lengthOf(source: Source, feeds: Readonly<Record<string, Tensor>>, longest: number): number {
  if (feeds.input_ids) return source.input_ids!.size;
  const [name, { shape }] = Object.entries(feeds)[0]!;
  return (longest * source[name]!.shape[0]!) / shape[1]!;
}

/**
 * [B, …]; rows are filled up with zeros along their first axis to the longest.
 * @throws RequestError when one is missing or of another shape.
 */
function stackRows(name: string, parts: readonly (Tensor | undefined)[]): Tensor {
  const tensors = parts.map((part) => {
    if (part && part.shape.length === parts[0]!.shape.length) return part;
    throw new RequestError(`generation: each source needs the encoder's input "${name}"`);
  });
  const [{ dtype, shape }] = tensors as [Tensor];
  const others = shape.slice(1);
  if (tensors.some((tensor) => tensor.shape.slice(1).join() !== others.join())) {
    throw new RequestError(`generation: sources must agree in the shape of "${name}" but for its first axis`);
  }
  const size = Math.max(...tensors.map((tensor) => tensor.size));
  const data = new (arrayOf(dtype))(tensors.length * size) as Float32Array;
  for (const [row, tensor] of tensors.entries()) data.set(tensor.data as Float32Array, row * size);
  const longest = Math.max(...tensors.map((tensor) => tensor.shape[0]!));
  return new Tensor(dtype, [tensors.length, longest, ...others], data);
}
