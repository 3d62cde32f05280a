/** Pictures at other sizes than a model was trained at. */

import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { pngOf, tinyVit, writeTinyImageModel } from "../../test/support/tiny-images.ts";
import { withLabels } from "../../test/support/tiny-model.ts";
import { createStepApi } from "../train/step-api.ts";
import { ImageDecoder } from "../vision/decode.ts";
import { planOfSize } from "../vision/plan-size.ts";
import { ImagePreprocessor } from "../vision/preprocess.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { openForTask, releaseModel, thisThread } from "./open-for-task.ts";
import { softmax } from "./scores.ts";
import { predictor } from "./tasks.ts";
import type { LabelScore } from "./text-classification.ts";

const folder = useTemporaryFolder();
const cpu = { provider: "cpu", threads: 1 } as const;
const vit = { ...tinyVit, initializer_range: 0.3, ...withLabels("a", "b", "c") };
const common = { ...withLabels("a", "b", "c"), image_size: 32 };
const configs = {
  vit,
  deit: { ...vit, model_type: "deit", architectures: ["DeiTForImageClassification"] },
  swin: {
    ...common,
    model_type: "swin",
    architectures: ["SwinForImageClassification"],
    patch_size: 4,
    embed_dim: 8,
    depths: [2, 2],
    num_heads: [1, 2],
    window_size: 4,
  },
  cvt: {
    ...common,
    model_type: "cvt",
    architectures: ["CvtForImageClassification"],
    embed_dim: [8, 16, 16],
    depth: [1, 1, 1],
    num_heads: [1, 2, 2],
  },
  mobilevit: {
    ...common,
    model_type: "mobilevit",
    architectures: ["MobileViTForImageClassification"],
    hidden_sizes: [8, 8, 8],
    neck_hidden_sizes: [4, 4, 8, 8, 8, 8, 16],
    initializer_range: 0.4,
    num_attention_heads: 2,
  },
  t2t: {
    ...common,
    model_type: "t2t-vit",
    architectures: ["t2t-vit"],
    embed_dim: 16,
    depth: 1,
    num_heads: 2,
    token_dim: 8,
    num_classes: 3,
  },
};
let png: Buffer;

beforeAll(async () => {
  png = await pngOf(40, 1);
  for (const [name, config] of Object.entries(configs)) await writeTinyImageModel(join(folder, name), config);
});

/** What a model says of the picture, one answer for each of the sizes. */
async function ask(
  name: string,
  sizes: readonly (number | [number, number] | undefined)[],
): Promise<LabelScore[][]> {
  const model = await openForTask(join(folder, name), undefined, cpu, thisThread);
  try {
    const answers = predictor(model);
    const asked = sizes.map((image_size) => answers.predict([png], { top_k: null, image_size }));
    return (await Promise.all(asked)).flat() as LabelScore[][];
  } finally {
    await releaseModel(model);
  }
}

const scoresOf = (answer: LabelScore[]): Record<string, number> =>
  Object.fromEntries(answer.map(({ label, score }) => [label, score]));

describe("image_size", () => {
  test.each(["vit", "deit"])(
    "%s answers as one whose positions were resampled for fine-tuning",
    async (name) => {
      const [own, square, oblong] = await ask(name, [undefined, 24, [24, 16]]);
      expect(scoresOf(own!)).not.toEqual(scoresOf(square!));
      const plan = await readPreprocessor(join(folder, name));
      const image = await new ImageDecoder().decode(png, "picture");
      for (const [answer, [height, width]] of [
        [square, [24, 24]],
        [oblong, [24, 16]],
      ] as const) {
        const config = { ...configs[name as "vit" | "deit"], image_size: [height, width] };
        const step = await createStepApi({
          config,
          options: { threads: 1 },
          weightsFolder: join(folder, name),
        });
        expect(step.drawn()).toEqual([]);
        const pixels = new ImagePreprocessor(planOfSize(plan, { height, width })).batch([image]);
        const { logits } = await step.evaluate({ pixel_values: pixels });
        const expected = softmax(logits!.toNumbers());
        const scores = scoresOf(answer!);
        for (const [at, label] of ["a", "b", "c"].entries())
          expect(scores[label]).toBeCloseTo(expected[at]!, 5);
      }
    },
  );

  test.each(["swin", "cvt", "mobilevit"])(
    "%s reads more sizes than it keeps open, each as before",
    async (name) => {
      const sizes = [36, 40, [48, 34], 36, undefined, 52] as const;
      const answers = await ask(name, sizes as never);
      expect(answers).toHaveLength(6);
      expect(answers[3]).toEqual(answers[0]);
      expect(new Set(answers.map((answer) => JSON.stringify(scoresOf(answer)))).size).toBe(5);
    },
  );

  test.each([
    ["vit", 18, /18 × 18 pixels does not divide into patches of 4 × 4; give sides that are multiples/],
    ["swin", 8, /smaller than a window of 4/],
    ["t2t", 48, /T2T-ViT: pictures must have 32 × 32 pixels.*got 48 × 48/],
    ["vit", 4000, /image_size: .*1024/],
  ])("%s refuses %d pixels and says what it accepts", async (name, size, message) => {
    await expect(ask(name, [size])).rejects.toThrow(message);
  });
});

test("a plan for another size keeps the share that a crop cuts off", () => {
  const plan = {
    resize: { rule: { shortestEdge: 256 }, filter: "bicubic" },
    crop: { width: 224, height: 224, rounding: "floor" },
  } as const;
  expect(planOfSize(plan, { width: 448, height: 224 })).toEqual({
    resize: { rule: { shortestEdge: 512 }, filter: "bicubic" },
    crop: { width: 448, height: 224, rounding: "floor" },
  });
});
