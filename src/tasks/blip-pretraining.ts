/**
 * Training data of BLIP's pretraining: one caption for each picture of a batch, drawn anew each epoch. Captions of a batch
 * are about as long, which makes wrong partners harder to tell and saves padding. B pictures.
 */

import { join } from "node:path";
import { imageTextPairs } from "../data/image-text-pairs.ts";
import { finishedBlipConfig, finishedBlipWeights } from "../models/blip-finished.ts";
import { type ConfigJson, readConfig } from "../models/config.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Evaluator } from "../train/task.ts";
import { writeFileAtomic } from "../weights/atomic.ts";
import { weightsFile } from "../weights/checkpoint.ts";
import { readSafetensors, writeSafetensors } from "../weights/safetensors.ts";
import { padded } from "./contrastive-data.ts";
import { CountingEncoder } from "./dataset.ts";
import { imageDataset } from "./image-dataset.ts";
import type { PairDataRecipe } from "./pair-recipe.ts";

/** Epochs during which the share of soft targets rises to its value. Li et al. 2022, https://arxiv.org/abs/2201.12086 */
const rampEpochs = 2;

const lossNames = ["loss_ita", "loss_itm", "loss_lm"] as const;

export const blipPretrainingData: PairDataRecipe = {
  name: "image-text-pretraining",
  open: imageTextPairs,
  textsOf: ({ captions }) => captions,
  bestMetric: "loss",
  outputs: ["loss", ...lossNames, "itm_logits"],
  datasetOf(pairs, setup) {
    const encoder = new CountingEncoder(setup);
    const captions = pairs.map((pair) => pair.captions.map((text) => encoder.encode(text)));
    const isTraining = setup.augmentation !== undefined;
    const dataset = imageDataset({
      ...setup,
      examples: pairs,
      finish(pixels, indices, random) {
        const drawn = indices.map((at) => captions[at]![random.integer(captions[at]!.length)]!);
        const texts = padded(drawn, setup);
        return { pixel_values: pixels, ...texts, ...(!isTraining && { alpha: share(0) }) };
      },
      evaluator: () => new LossEvaluator(),
    });
    const alpha = typeof setup.config.alpha === "number" ? setup.config.alpha : 0.4;
    const inputsAt = (epochs: number) => ({ alpha: share(alpha * Math.min(1, epochs / rampEpochs)) });
    const targetLengths = captions.map(([first]) => first!.ids.length);
    return { ...dataset, targetLengths, truncated: encoder.truncated, fullBatches: isTraining, inputsAt };
  },
  finish: finishPretraining,
};

const share = (value: number): Tensor => Tensor.from("float32", [], [value]);

/** Each objective's loss, and how often right pairs and the likeliest wrong ones are told apart. */
class LossEvaluator implements Evaluator {
  private readonly sums = new Map<string, number>();
  private pairs = 0;
  private matched = { right: 0, count: 0 };

  add(outputs: Readonly<Record<string, Tensor>>, indices: readonly number[]): void {
    for (const name of lossNames) {
      const loss = Number(outputs[name]!.data[0]);
      this.sums.set(name, (this.sums.get(name) ?? 0) + loss * indices.length);
    }
    this.pairs += indices.length;
    const logits = outputs.itm_logits!.toNumbers(); // [3B, 2], the first B of right pairs
    for (let row = 0; row < logits.length / 2; row++) {
      const isMatch = logits[2 * row + 1]! > logits[2 * row]!;
      this.matched.right += Number(isMatch === row < indices.length);
      this.matched.count++;
    }
  }

  result(): Record<string, number> {
    const means = lossNames.map((name) => [name, (this.sums.get(name) ?? 0) / this.pairs] as const);
    return { ...Object.fromEntries(means), itm_accuracy: this.matched.right / this.matched.count };
  }
}

/** Turns the folder of a pretrained model into that of one that writes captions and matches texts with images. */
async function finishPretraining(folder: string): Promise<void> {
  const config: ConfigJson = await readConfig(folder);
  const finished = finishedBlipConfig(config);
  const path = join(folder, weightsFile);
  await writeSafetensors(path, finishedBlipWeights(finished, await readSafetensors(path)), { format: "pt" });
  await writeFileAtomic(join(folder, "config.json"), `${JSON.stringify(finished, null, 2)}\n`);
}
