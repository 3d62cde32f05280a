/** The last hidden states of a picture, or its pooled vector. T tokens, D hidden size. */

import { z } from "zod";
import { RequestError } from "../errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Features } from "./feature-extraction.ts";
import { imageSource } from "./image-input.ts";
import type { ImageAnswerTask } from "./image-predictor.ts";
import { imageSizeOption } from "./image-size.ts";

const options = z.strictObject({
  /** The pooler's vector [D] instead of the last hidden states, [T, D] or a map [D, H, W]. Default false. */
  pool: z
    .boolean()
    .nullable()
    .default(false)
    .transform((pool) => pool ?? false),
  image_size: imageSizeOption,
});

export const imageFeatureAnswers: ImageAnswerTask<z.output<typeof options>, Features> = {
  outputs: ["last_hidden_state"],
  optionalOutputs: ["pooler_output"],
  input: imageSource,
  options,
  async answer({ see }, source, { pool, image_size }) {
    const outputs = await see(source, image_size);
    const wanted: Tensor | undefined = pool ? outputs.pooler_output : outputs.last_hidden_state;
    if (!wanted) throw new RequestError("image-feature-extraction: the model has no pooler; leave out pool");
    return { dims: wanted.shape, data: Float32Array.from(wanted.data as Float32Array) };
  },
};
