/** Training data for classifiers of pictures: one label for each. B batch, K classes. */

import type { ImageExample } from "../data/images.ts";
import { labelsOf } from "../data/labels.ts";
import { ConfigError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import { Tensor } from "../tensor/tensor.ts";
import { classReport } from "../train/metrics/class-report.ts";
import type { Evaluator } from "../train/task.ts";
import { mixBatch } from "../vision/mixing.ts";
import { rowEvaluator } from "./dataset.ts";
import { imageDataset } from "./image-dataset.ts";
import type { ImageDataRecipe } from "./image-recipe.ts";
import { labelFields, readLabels } from "./labels.ts";
import { topIndices } from "./scores.ts";
import { classOf, classScores } from "./text-classification.ts";

const task = "image-classification";

export const imageClassificationData: ImageDataRecipe = {
  name: task,
  bestMetric: "accuracy",
  outputs: ["loss", "logits"],
  leastCrop: 0.08,
  configOf(examples) {
    const labels = labelsOf(examples.map((example) => ({ label: labelOf(example) })));
    if (labels.length < 2)
      throw new ConfigError(`${task}: there must be two labels or more, got ${labels.join()}`);
    return {
      ...labelFields(labels),
      num_classes: labels.length,
      problem_type: "single_label_classification",
    };
  },
  datasetOf(examples, { config, ...setup }) {
    const { id2label } = readLabels(config, task);
    const classes = examples.map((example) => classOf(labelOf(example), id2label, task));
    const mixing = setup.augmentation?.mixing;
    return imageDataset({
      ...setup,
      examples,
      finish(pixels, indices, random) {
        const labels = indices.map((at) => classes[at]!);
        if (!mixing) return { pixel_values: pixels, labels: Tensor.from("int64", [labels.length], labels) };
        const options = { ...mixing, labelSmoothing: smoothingOf(config) };
        const mixed = mixBatch(pixels, labels, id2label.length, options, random.fork("mix"));
        return { pixel_values: mixed.pixels, labels: mixed.targets };
      },
      evaluator: () => classEvaluator(classes, id2label),
    });
  },
};

function labelOf({ label, source }: ImageExample): string {
  if (label !== undefined) return label;
  throw new ConfigError(
    `${source}: must have a label to train or evaluate a classifier: a label column, or a folder named after its class`,
    { code: "data" },
  );
}

/** Targets that are mixed are smoothed here; the model smooths plain ones itself. */
const smoothingOf = ({ label_smoothing }: ConfigJson): number =>
  typeof label_smoothing === "number" ? label_smoothing : 0;

/** Classes that count as guessed in `top5_accuracy`. */
const guesses = 5;

const classEvaluator = (classes: readonly number[], labels: readonly string[]): Evaluator =>
  rowEvaluator(
    classes.map((label) => [label]),
    (row) => topIndices(row, guesses),
    (predicted, actual) => {
      const isAmong = (best: readonly number[], at: number): boolean => best.includes(actual[at]![0]!);
      return {
        ...classScores(
          predicted.map(([best]) => best!),
          actual.flat(),
          labels.length,
        ),
        ...(labels.length > guesses && { top5_accuracy: predicted.filter(isAmong).length / actual.length }),
      };
    },
    (predicted, actual) =>
      classReport(
        labels,
        predicted.map(([best]) => best!),
        actual.flat(),
      ),
  );
