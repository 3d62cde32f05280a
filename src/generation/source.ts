/** What an encoder reads: sources of different lengths in one batch. B rows, S tokens of the longest. */

import { RequestError } from "../errors.ts";
import type { Session } from "../runtime/session.ts";
import { arrayOf } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";

/**
 * One row's inputs of the encoder by name, without the batch axis: `input_ids` [S], or `pixel_values` [C, H, W]. The
 * mask of padding is made here.
 */
export type Source = Readonly<Record<string, Tensor>>;

/**
 * The encoder's outputs for some sources, and the length of each.
 * @throws RequestError when sources have not the inputs that the encoder reads.
 */
export async function encodeSources(
  encoder: Session,
  sources: readonly Source[],
): Promise<{ outputs: Record<string, Tensor>; lengths: number[] }> {
  const lengths = sources.map(({ input_ids }) => input_ids?.size);
  const feeds: Record<string, Tensor> = {};
  for (const { name } of encoder.inputs) {
    const parts =
      name === "attention_mask"
        ? lengths.map((length = 0) => Tensor.from("int64", [length], new Array(length).fill(1)))
        : sources.map((source) => source[name]);
    feeds[name] = stackRows(name, parts);
  }
  const outputs = await encoder.run(feeds);
  const [first] = Object.values(outputs);
  return { outputs, lengths: lengths.map((length) => length ?? first!.shape[2]!) };
}

/** [B, …]; vectors are filled up with zeros to the longest. @throws RequestError when one is missing or of another shape. */
function stackRows(name: string, parts: readonly (Tensor | undefined)[]): Tensor {
  const tensors = parts.map((part) => {
    if (part && part.shape.length === parts[0]!.shape.length) return part;
    throw new RequestError(`generation: each source needs the encoder's input "${name}"`);
  });
  const [{ dtype, shape }] = tensors as [Tensor];
  const isVector = shape.length === 1;
  const size = Math.max(...tensors.map((tensor) => tensor.size));
  if (!isVector && tensors.some((tensor) => tensor.shape.join() !== shape.join())) {
    throw new RequestError(`generation: sources must agree in the shape of "${name}"`);
  }
  const data = new (arrayOf(dtype))(tensors.length * size) as Float32Array;
  for (const [row, tensor] of tensors.entries()) data.set(tensor.data as Float32Array, row * size);
  return new Tensor(dtype, [tensors.length, ...(isVector ? [size] : shape)], data);
}
