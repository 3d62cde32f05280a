/** Inputs and losses of image classifiers. B batch, K labels. */

import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { mul, sum } from "../graph/ops/core.ts";
import { cast } from "../graph/ops/select.ts";
import { softenedDivergences } from "../nn/distillation.ts";
import { crossEntropy, softCrossEntropy } from "../nn/losses.ts";
import { productOf } from "../tensor/dims.ts";
import { isFloat } from "../tensor/dtype.ts";
import type { ProblemType } from "./config.ts";
import { labelInput } from "./family.ts";
import { classificationLoss } from "./heads.ts";
import type { InputSpec, Inputs, Outputs } from "./model.ts";

/** An image [B, C, H, W], normalised as the model's preprocessor says. */
export const imageInput = (channels: number, [height, width]: readonly [number, number]): InputSpec => ({
  name: "pixel_values",
  dtype: "float32",
  axes: ["batch", channels, height, width],
});

export const imageLabels: readonly InputSpec[] = [labelInput("labels", ["batch"])];

/** The image among a model's inputs. @throws ConfigError when it is missing. */
export function pixelsOf(where: string, { pixel_values }: Inputs): Node {
  if (!pixel_values) throw new ConfigError(`${where}: the input "pixel_values" is missing`);
  return pixel_values;
}

/** The same of a model whose positions are for one size. @throws ConfigError for a picture of another. */
export function pixelsOfSize(where: string, inputs: Inputs, imageSize: readonly [number, number]): Node {
  const pixels = pixelsOf(where, inputs);
  const given = pixels.shape.slice(2);
  if (given.join() === imageSize.join()) return pixels;
  throw new ConfigError(
    `${where}: pictures must have ${imageSize.join(" × ")} pixels, for which its positions are; got ${given.join(" × ")}`,
    { code: "unsupported" },
  );
}

interface LossConfig {
  readonly problemType?: ProblemType | undefined;
  readonly labelSmoothing?: number | undefined;
}

/** Logits [B, K], and their loss where labels are given. */
export const classified = (logits: Node, { labels }: Inputs, config: LossConfig): Outputs =>
  labels ? { loss: imageLoss(logits, labels, config), logits } : { logits };

/**
 * Loss of a classifier. Labels are classes, int64 [B], or shares of classes [B, K] as mixup gives them, which are
 * cross entropy; with a `problemType` of another kind they are what that wants.
 */
export function imageLoss(logits: Node, labels: Node, { problemType, labelSmoothing = 0 }: LossConfig): Node {
  if (problemType === "regression" || problemType === "multi_label_classification")
    return classificationLoss(logits, labels, problemType);
  return isFloat(labels.dtype)
    ? softCrossEntropy(logits, labels)
    : crossEntropy(logits, cast(labels, "int64"), { labelSmoothing });
}

/**
 * T² KL(teacher ‖ student) of distributions softened by a temperature T, averaged over all B·K scores as DeiT does.
 * Touvron et al. 2021, https://arxiv.org/abs/2012.12877
 */
export function softDistillationLoss(student: Node, teacher: Node, temperature: number): Node {
  const divergence = sum(softenedDivergences(student, teacher, temperature));
  return mul(divergence, 1 / (productOf(student.shape) as number));
}
