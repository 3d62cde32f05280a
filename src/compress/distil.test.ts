import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyVit, writeTinyImageModel, writeTinyImages } from "../../test/support/tiny-images.ts";
import { tinyConfig, tinyTokenizer, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { ModelStore } from "../store/store.ts";
import { Random } from "../tensor/random.ts";
import { padBatch } from "../text/batch.ts";
import { distil, type TextRequest } from "./distil.ts";
import { shallowerConfig } from "./student.ts";
import { readTeacher, TeacherSession } from "./teacher.ts";
import { TeacherCache } from "./teacher-cache.ts";

const folder = useTemporaryFolder();
const path = (name: string): string => join(folder, name);
const store = new ModelStore(path("home"));
const cache = new TeacherCache(path("cache"));

const words = "good great fine bad dull poor the film story was very not".split(" ");
const random = new Random(3);
const sentences = Array.from({ length: 80 }, () =>
  Array.from({ length: 2 + random.integer(6) }, () => words[random.integer(words.length)]).join(" "),
);

beforeAll(async () => {
  writeFileSync(
    path("train.csv"),
    `text,label\n${sentences
      .slice(0, 24)
      .map((text) => `${text},no`)
      .join("\n")}\ngood,yes\n`,
  );
  writeFileSync(path("lines.txt"), sentences.slice(24).join("\n"));
  await writeTinyModel(path("teacher"), tinyConfig("BertForSequenceClassification", withLabels("no", "yes")));
});

/** What a model of a folder says of all sentences. */
async function answers(model: string): Promise<("no" | "yes")[]> {
  const session = await TeacherSession.open(await readTeacher(model));
  const texts = sentences.map((text) => tinyTokenizer().encode(text));
  const { "teacher.logits": logits } = await session.answer({ ...padBatch(texts, { padId: 0 }) });
  await session.release();
  const values = logits!.toNumbers();
  return sentences.map((_, row) => (values[2 * row + 1]! > values[2 * row]! ? "yes" : "no"));
}

describe("distil", () => {
  test("makes a shallower student that says what its teacher says, not what the labels say, and stores it", async () => {
    const teacher = await readTeacher(path("teacher"));
    const taught = await answers(teacher.folder);
    const rows = sentences.map((text, at) => `${text},${taught[at]}`);
    writeFileSync(path("validation.csv"), `text,label\n${rows.join("\n")}\n`);
    const request: TextRequest = {
      teacher,
      task: "text-classification",
      files: { trainPath: path("train.csv"), validationPath: path("validation.csv"), maxLength: 16 },
      student: { ...shallowerConfig(teacher, 1), hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 },
      transfer: { path: path("lines.txt") },
      fields: { labels: 0, outputs: 1 },
      name: "student",
      output: path("run"),
      options: { epochs: 25, batchSize: 16, learningRate: 5e-3 },
      store,
      cache,
    };
    const { ref, folder: stored, manifest } = await distil(request);
    expect(ref).toBe("student@1");
    expect(manifest).toMatchObject({ labels: ["no", "yes"], lineage: { parent: teacher.folder } });
    const learned = await answers(stored);
    const alike = taught.filter((answer, at) => answer === learned[at]).length;
    expect(new Set(taught).size).toBe(2);
    expect(alike / taught.length).toBeGreaterThan(0.9);
  }, 60_000);

  test("makes a DeiT that follows a ViT over augmented pictures", async () => {
    const labels = { ...withLabels("blue", "green", "red"), num_classes: 3 };
    const teacher = await readTeacher(await writeTinyImageModel(path("vit"), { ...tinyVit, ...labels }));
    const events: string[] = [];
    const { manifest } = await distil({
      teacher,
      task: "image-classification",
      files: { trainPath: await writeTinyImages(path("pictures"), 6) },
      student: {
        ...tinyVit,
        model_type: "deit",
        patch_size: 8,
        distillation_type: "soft",
        alpha: 0.5,
        tau: 3,
      },
      copies: 2,
      name: "deit",
      output: path("deit-run"),
      options: { epochs: 2, batchSize: 8 },
      onProgress: (done, total) => events.push(`${done}/${total}`),
      store,
      cache,
    });
    expect(events.at(-1)).toBe("32/32"); // 16 pictures of 18, two copies
    expect(manifest.metrics.loss).toBeGreaterThan(0);
    expect(manifest.labels).toEqual(["blue", "green", "red"]);
  }, 60_000);

  test("goes on from where it was stopped", async () => {
    const teacher = await readTeacher(path("teacher"));
    const request: TextRequest = {
      teacher,
      task: "text-classification",
      files: { trainPath: path("train.csv"), validationPath: path("train.csv"), maxLength: 16 },
      student: shallowerConfig(teacher, 1),
      name: "stopped",
      output: path("stopped"),
      options: { epochs: 2, batchSize: 8 },
      store,
      cache,
    };
    const signal = AbortSignal.abort();
    await expect(distil(request, { signal })).rejects.toThrow(
      /stopped after 1 steps; call again with resume/,
    );
    const resumed = await distil({ ...request, resume: true });
    const whole = await distil({ ...request, output: path("whole"), name: "whole" });
    expect(resumed.manifest.files["model.safetensors"]).toEqual(whole.manifest.files["model.safetensors"]);
  }, 60_000);
});
