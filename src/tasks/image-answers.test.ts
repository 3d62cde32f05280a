/** Answers to pictures, also against transformers.js on the same weights. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { env, pipeline as peerPipeline } from "@huggingface/transformers";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { pngOf, tinyMae, tinyVit, writeTinyImageModel } from "../../test/support/tiny-images.ts";
import { exportForPeers, withLabels } from "../../test/support/tiny-model.ts";
import { openForTask, thisThread } from "./open-for-task.ts";
import { type PipelineBase, pipeline } from "./pipeline.ts";
import { predictor } from "./tasks.ts";

const folder = useTemporaryFolder();
const file = join(folder, "picture.png");
const cpu = { provider: "cpu", threads: 1 } as const;
const opened: PipelineBase[] = [];
let png: Buffer;

async function open<T extends { dispose(): Promise<void> }>(opening: Promise<T>): Promise<T> {
  const model = await opening;
  opened.push(model as T & PipelineBase);
  return model;
}

beforeAll(async () => {
  env.allowRemoteModels = false;
  env.localModelPath = folder;
  const wide = { initializer_range: 0.3 };
  await writeTinyImageModel(join(folder, "vit"), {
    ...tinyVit,
    ...wide,
    ...withLabels("a", "b", "c", "d", "e", "f"),
  });
  await writeTinyImageModel(join(folder, "vit-model"), { ...tinyVit, ...wide, architectures: ["ViTModel"] });
  await writeTinyImageModel(join(folder, "mae"), { ...tinyMae, norm_pix_loss: true });
  png = await pngOf(16, 1);
  writeFileSync(file, png);
});
afterAll(() => Promise.all(opened.map((each) => each.dispose())));

describe("image-classification", () => {
  test("answers alike to a path, an address, bytes and pixels, in batches as alone", async () => {
    const classify = await open(pipeline("image-classification", join(folder, "vit"), cpu));
    const [first, ...others] = await classify([
      file,
      pathToFileURL(file),
      png,
      new Uint8Array(png),
      { width: 16, height: 16, channels: 3, data: await sharp(png).raw().toBuffer() },
      `data:image/png;base64,${png.toString("base64")}`,
      await sharp(png).resize(32, 32, { kernel: "nearest" }).png().toBuffer(),
    ]);
    expect(first!.map(({ score }) => score)).toEqual(first!.map(({ score }) => score).sort((a, b) => b - a));
    expect(first).toHaveLength(5);
    const alone = await classify(file, { top_k: null });
    expect(alone.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5);
    for (const other of [...others.slice(0, -1), alone.slice(0, 5)]) {
      other.forEach(({ label, score }, at) => {
        expect(label).toBe(first![at]!.label);
        expect(score).toBeCloseTo(first![at]!.score, 5);
      });
    }
  });

  test("agrees with transformers.js", async () => {
    await exportForPeers(join(folder, "vit"));
    const classify = await open(pipeline("image-classification", join(folder, "vit"), cpu));
    const theirs = await open(peerPipeline("image-classification", "vit", { dtype: "fp32" }));
    const [ours, expected] = [await classify(file), await theirs(file)];
    expect(ours.map(({ label }) => label)).toEqual(expected.map(({ label }: { label: string }) => label));
    ours.forEach(({ score }, at) => {
      expect(Math.abs(score - expected[at]!.score)).toBeLessThan(2e-4);
    });
    const both = await classify([file, png]);
    expect(both.map((scores) => scores.length)).toEqual([5, 5]);
  });

  test("names what is wrong with an input", async () => {
    const classify = await open(pipeline("image-classification", join(folder, "vit"), cpu));
    await expect(classify(join(folder, "nowhere.png"))).rejects.toThrow(
      /nowhere\.png: cannot be read as a picture/,
    );
    await expect(classify(Buffer.from("text"))).rejects.toThrow(/must be JPEG, PNG/);
    await expect(classify({ width: 4, height: 4, data: new Uint8Array(7) })).rejects.toThrow(
      /need 48 bytes, got 7/,
    );
    await expect(classify(7 as unknown as string)).rejects.toThrow(/input 1: must be a path, a URL/);
    await expect(classify(png, { top_k: 0 })).rejects.toThrow(/top_k/);
  });

  test("reads no files where it was given no opener, as on a server", async () => {
    const model = await openForTask(join(folder, "vit"), undefined, cpu, thisThread);
    const answers = predictor(model);
    await expect(answers.predict([file])).rejects.toThrow(/must be the bytes of an image file, got a name/);
    await answers.release();
  });

  test("refuses a task that the model has no outputs for", async () => {
    await expect(pipeline("masked-image-modeling", join(folder, "vit"), cpu)).rejects.toThrow(
      /ViTForImageClassification is for image-classification and cannot do masked-image-modeling/,
    );
  });
});

describe("image-feature-extraction", () => {
  test("agrees with transformers.js, hidden states and pooled", async () => {
    const path = join(folder, "vit-model");
    await exportForPeers(path);
    const extract = await open(pipeline("image-feature-extraction", path, cpu));
    const theirs = await open(peerPipeline("image-feature-extraction", "vit-model", { dtype: "fp32" }));
    for (const [pool, dims] of [
      [false, [2, 17, 16]],
      [true, [2, 16]],
    ] as const) {
      const [ours, expected] = [await extract([file, png], { pool }), await theirs([file, file], { pool })];
      expect(ours.dims).toEqual(dims);
      expect(expected.dims).toEqual(dims);
      ours.data.forEach((value, at) => {
        expect(Math.abs(value - Number(expected.data[at]))).toBeLessThan(2e-3);
      });
    }
  });

  test("takes the encoder of a model with another head, which has no pooler", async () => {
    const extract = await open(pipeline("image-feature-extraction", join(folder, "vit"), cpu));
    expect((await extract(png)).dims).toEqual([1, 17, 16]);
    await expect(extract(png, { pool: true })).rejects.toThrow(/has no pooler/);
    const masked = await open(pipeline("image-feature-extraction", join(folder, "mae"), cpu));
    expect((await masked(png)).dims).toEqual([1, 17, 16]);
  });
});

describe("masked-image-modeling", () => {
  test("draws the original, what is seen of it, and what is made of that", async () => {
    const paint = await open(pipeline("masked-image-modeling", join(folder, "mae"), cpu));
    const { image, error } = await paint(png, { seed: 3 });
    const enlarge = 14;
    const { data, info } = await sharp(image).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([(3 * 16 + 2 * 4) * enlarge, 16 * enlarge]);
    const original = await sharp(png).raw().toBuffer();
    const pixel = (panel: number, x: number, y: number): number[] => {
      const at = (y * enlarge * info.width + (panel * 20 + x) * enlarge) * 3;
      return [...data.subarray(at, at + 3)];
    };
    let hidden = 0;
    for (let y = 0; y < 16; y++) {
      for (let x = 0; x < 16; x++) {
        const own = [...original.subarray((y * 16 + x) * 3, (y * 16 + x) * 3 + 3)];
        expect(pixel(0, x, y)).toEqual(own);
        if (pixel(1, x, y).every((level) => level === 128)) hidden++;
        else expect(pixel(2, x, y)).toEqual(own);
      }
    }
    expect(hidden).toBe(0.75 * 256);
    expect(error).toBeGreaterThan(0);
    expect(await paint(png, { seed: 3 })).toEqual({ image, error });
    expect((await paint(png, { seed: 4 })).image).not.toEqual(image);
  });
});
