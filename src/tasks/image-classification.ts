/** The classes of a picture, best first. K classes. */

import { z } from "zod";
import { imageSource } from "./image-input.ts";
import type { ImageAnswerTask } from "./image-predictor.ts";
import { imageSizeOption } from "./image-size.ts";
import { rowAt, topIndices } from "./scores.ts";
import { type LabelScore, labelScores } from "./text-classification.ts";

const options = z.strictObject({
  /** Labels that are named, best first; null: all. Default 5. */
  top_k: z.int().min(1).nullable().default(5),
  image_size: imageSizeOption,
});

export const imageClassificationAnswers: ImageAnswerTask<z.output<typeof options>, LabelScore[]> = {
  outputs: ["logits"],
  input: imageSource,
  options,
  async answer({ see, id2label, problemType }, source, { top_k, image_size }) {
    const { logits } = await see(source, image_size);
    const scores = labelScores(rowAt(logits!, 0), problemType ?? undefined);
    return topIndices(scores, top_k ?? scores.length).map((at) => ({
      label: id2label[at] ?? `LABEL_${at}`,
      score: scores[at]!,
    }));
  },
};
