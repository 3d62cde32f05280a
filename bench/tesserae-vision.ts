/** A picture classifier's training step in Tesserae: one step per line of standard input, its seconds on output. */

import { architectureOf } from "../src/models/registry.ts";
import { Random } from "../src/tensor/random.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { TrainStep } from "../src/train/step.ts";
import { parameterCount, visionModels } from "./vision-models.ts";
import { answerLines } from "./work-loop.ts";

export interface VisionTraining {
  /** One of `visionModels`. */
  readonly model: string;
  readonly batch: number;
  readonly threads: number;
}

const { model: name, batch: count, threads } = JSON.parse(process.argv[2]!) as VisionTraining;
const model = visionModels[name]!;
const step = await TrainStep.open(architectureOf(model.config), model.config, { threads });
const random = new Random(0);
const pixels = new Float32Array(count * 3 * model.side ** 2);
for (let at = 0; at < pixels.length; at++) pixels[at] = random.normal();
const labels = Array.from({ length: count }, () => random.integer(1000));
const batch = {
  pixel_values: new Tensor("float32", [count, 3, model.side, model.side], pixels),
  labels: Tensor.from("int64", [count], labels),
};
const parameters = parameterCount(model);

let steps = 0;
await answerLines(async () => {
  const { loss } = await step.run([batch], ++steps, 1e-4);
  return { loss, parameters };
});
