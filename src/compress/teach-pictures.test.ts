import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyVit, writeTinyImageModel, writeTinyImages } from "../../test/support/tiny-images.ts";
import { tinyTokenizer, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import type { AugmentFields } from "../tasks/image-augmentation.ts";
import { prepareImages } from "../tasks/image-training.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { padBatch } from "../text/batch.ts";
import type { Batch } from "../train/step.ts";
import type { TrainRun } from "../train/trainer.ts";
import { preprocessPlan } from "../vision/preprocessor-config.ts";
import type { DistilOptions } from "./taught-run.ts";
import { teachPairs, teachPictures } from "./teach-pictures.ts";
import { labelsOfTeacher, preprocessorOf, readTeacher, TeacherSession } from "./teacher.ts";
import { TeacherCache } from "./teacher-cache.ts";

const folder = useTemporaryFolder();
const path = (name: string): string => join(folder, name);
const labels = withLabels("blue", "green", "red");

beforeAll(async () => {
  await writeTinyImages(path("pictures"), 4);
  await writeTinyImageModel(path("teacher"), { ...tinyVit, ...labels });
});

interface Options extends Omit<DistilOptions, "teacher" | "cache"> {
  readonly student?: object;
  readonly augment?: AugmentFields;
}

async function taught({ student = {}, augment = {}, ...options }: Options = {}) {
  const teacher = await readTeacher(path("teacher"));
  const given = await preprocessorOf(teacher);
  const config = { ...tinyVit, patch_size: 8, ...student };
  const files = { trainPath: path("pictures"), labels: labelsOfTeacher(teacher) };
  const prepared = await prepareImages("image-classification", files, config, { given, augment });
  const run: TrainRun = {
    config: { ...config, ...prepared.task.config },
    task: prepared.task,
    train: prepared.train,
    output: path(`run-${Math.random()}`),
  };
  const isMixed = (augment.mixup ?? 0) > 0;
  const cache = new TeacherCache(path("cache"));
  const result = await teachPictures(run, { ...options, teacher, cache, plan: prepared.plan, isMixed });
  const batchOf = async (epoch: number): Promise<Batch> =>
    result.run.train.collate([0, 3, 5], 1, new Random(epoch), epoch);
  return { ...result, teacher, batchOf };
}

const differs = (a: Tensor, b: Tensor): number =>
  Math.max(...a.toNumbers().map((value, at) => Math.abs(value - b.toNumbers()[at]!)));

describe("a taught run over pictures", () => {
  test("brings the teacher's logits of just the augmented pictures of the batch, in a fixed number of copies", async () => {
    const { batchOf, teacher } = await taught({ copies: 2 });
    const [first, second, third] = [await batchOf(0), await batchOf(1), await batchOf(2)];
    expect(differs(first.pixel_values!, second.pixel_values!)).toBeGreaterThan(0.1);
    expect(third.pixel_values).toEqual(first.pixel_values);
    const session = await TeacherSession.open(teacher);
    for (const batch of [first, second, third]) {
      const { "teacher.logits": live } = await session.answer(batch);
      expect(differs(batch["teacher.logits"]!, live!)).toBeLessThan(1e-5);
    }
    await session.release();
  });

  test("is asked live where pictures are mixed", async () => {
    const { batchOf, release } = await taught({ augment: { mixup: 0.8 } });
    const batch = await batchOf(0);
    await release();
    expect(batch.labels!.shape).toEqual([3, 3]);
    expect(batch["teacher.logits"]!.shape).toEqual([3, 3]);
  });

  test("brings features of the teacher's width where they are weighed", async () => {
    const { batchOf, run } = await taught({ fields: { features: 10 } });
    expect((await batchOf(0))["teacher.features"]!.shape).toEqual([3, 16]);
    expect(run.options!.distillation).toMatchObject({ features: 10 });
  });

  test("gives a DeiT the logits under its own name, and leaves it its own loss", async () => {
    const deit = { architectures: ["DeiTForImageClassificationWithTeacher"], model_type: "deit" };
    const { batchOf, run } = await taught({ student: deit });
    expect((await batchOf(0)).teacher_logits!.shape).toEqual([3, 3]);
    expect(run.options?.distillation).toBeUndefined();
  });

  test("needs pictures of the teacher's size", async () => {
    await expect(taught({ student: { image_size: 32 } })).rejects.toThrow(
      /one size and normalisation; the teacher's are batch,3,16,16/,
    );
  });
});

describe("a taught run over images and texts", () => {
  const tower = { hidden_size: 16, intermediate_size: 32, num_attention_heads: 2, num_hidden_layers: 2 };
  const clip = {
    architectures: ["CLIPModel"],
    model_type: "clip",
    projection_dim: 8,
    image_size: 16,
    text_config: { ...tower, vocab_size: tinyTokenizer().vocabSize, max_position_embeddings: 16 },
    vision_config: { ...tower, image_size: 16, patch_size: 8 },
  };

  test("brings each tower the teacher's embeddings", async () => {
    await writeTinyImageModel(path("clip"), clip);
    await writeTinyModel(path("clip"), clip);
    const teacher = await readTeacher(path("clip"));
    const texts = ["good film", "a bad story"].map((text) => tinyTokenizer().encode(text));
    const { input_ids, attention_mask } = padBatch(texts, { padId: 0 });
    const pixel_values = Tensor.from("float32", [2, 3, 16, 16], new Array(2 * 768).fill(0.3));
    const run: TrainRun = {
      config: { ...clip, vision_config: { ...clip.vision_config, num_hidden_layers: 1 } },
      task: { name: "zero-shot-image-classification" } as TrainRun["task"],
      train: { lengths: [1, 1], collate: () => ({ pixel_values, input_ids, attention_mask }) },
      output: path("clip-run"),
    };
    const plan = preprocessPlan(await preprocessorOf(teacher));
    const { run: taughtRun, release } = await teachPairs(run, { teacher, plan, tokenizer: tinyTokenizer() });
    const batch = await taughtRun.train.collate([0, 1], 1, new Random(1), 0);
    await release();
    expect(batch["teacher.image_embeds"]!.shape).toEqual([2, 8]);
    expect(batch["teacher.text_embeds"]!.shape).toEqual([2, 8]);
    expect(taughtRun.weightsFolder).toBe(path("clip-run/student"));
  });
});
