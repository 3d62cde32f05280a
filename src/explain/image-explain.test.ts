import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { pngOf, tinyMae, tinyVit, writeTinyImageModel } from "../../test/support/tiny-images.ts";
import { withLabels } from "../../test/support/tiny-model.ts";
import type { ConfigJson } from "../models/config.ts";
import { pipeline } from "../tasks/pipeline.ts";
import { Tensor } from "../tensor/tensor.ts";
import { rgbImage } from "../vision/image.ts";
import { drawAttribution, drawMap } from "./image-drawing.ts";
import { explainImage } from "./image-explain.ts";
import { gridOf, windowMaps } from "./image-maps.ts";
import { imageExplanationHtml, imageExplanationPng } from "./image-page.ts";

const folder = useTemporaryFolder();
const cpu = { provider: "cpu", threads: 1 } as const;
const labels = withLabels("a", "b", "c");
const vit = { ...tinyVit, initializer_range: 0.2, ...labels };
let png: Buffer;
const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const write = (name: string, config: ConfigJson) => writeTinyImageModel(join(folder, name), config);

beforeAll(async () => {
  png = await pngOf(16, 2);
});

describe("explaining a ViT's answer to a picture", () => {
  test("gives the label that the model predicts, and pixels that add up to the rise of its score", async () => {
    const path = await write("vit", vit);
    const { attribution, picture } = await explainImage(path, png, cpu);
    const classify = await pipeline("image-classification", path, cpu);
    const [best] = await classify(png);
    await classify.dispose();
    expect(attribution!.label).toBe(best!.label);
    expect(attribution!.probability).toBeCloseTo(best!.score, 4);
    const { integratedGradients, score, baselineScore } = attribution!;
    expect(integratedGradients).toHaveLength(picture.width * picture.height);
    expect(Math.abs(score - baselineScore)).toBeGreaterThan(1e-3);
    expect(Math.abs(total(integratedGradients) - (score - baselineScore))).toBeLessThan(1e-3);
    const coarse = await explainImage(path, png, { ...cpu, steps: 1 });
    expect(Math.abs(coarse.attribution!.completenessError)).toBeGreaterThan(
      Math.abs(attribution!.completenessError),
    );
  });

  test("gives what the class token attends to: shares of the patches, less what it keeps", async () => {
    const { attention } = await explainImage(await write("vit", vit), png, cpu);
    expect(attention!.layers.map(({ title, rows, columns }) => [title, rows, columns])).toEqual([
      ["Layer 1", 4, 4],
      ["Layer 2", 4, 4],
    ]);
    for (const { values } of [...attention!.layers, attention!.rollout]) {
      expect(values).toHaveLength(16);
      expect(total(values)).toBeGreaterThan(0.1);
      expect(total(values)).toBeLessThan(1);
    }
  });

  test("of a model that averages the patches, gives what they attend to", async () => {
    const [byClass, byMean] = await Promise.all(
      ["class", "mean"].map(async (pooling) =>
        explainImage(await write(pooling, { ...vit, pooling }), png, cpu),
      ),
    );
    expect(byMean!.attention!.layers[0]!.values).not.toEqual(byClass!.attention!.layers[0]!.values);
  });

  test("explains another class, and refuses one that is not there", async () => {
    const path = await write("vit", vit);
    const scores = await Promise.all(
      ["a", "b"].map(
        async (target) => (await explainImage(path, png, { ...cpu, target })).attribution!.score,
      ),
    );
    expect(scores[0]).not.toBe(scores[1]);
    await expect(explainImage(path, png, { ...cpu, target: "d" })).rejects.toThrow(/one of a, b, c; got "d"/);
  });

  test("shows attention alone where no classes are scored, and refuses other inputs", async () => {
    const bare = await write("bare", { ...vit, architectures: ["ViTModel"] });
    const { attribution, attention } = await explainImage(bare, png, cpu);
    expect([attribution, attention!.layers.length]).toEqual([undefined, 2]);
    await expect(explainImage(bare, png, { ...cpu, target: "a" })).rejects.toThrow(/scores no classes/);
    await expect(explainImage(await write("mae", tinyMae), png, cpu)).rejects.toThrow(
      /does not read one picture/,
    );
  });
});

describe("Swin", () => {
  const swin = {
    architectures: ["SwinForImageClassification"],
    model_type: "swin",
    image_size: 16,
    patch_size: 2,
    embed_dim: 8,
    depths: [2, 1],
    num_heads: [1, 2],
    window_size: 4,
    initializer_range: 0.2,
    ...labels,
  };

  test("is explained within its windows, without a rollout", async () => {
    const { attention, windows, attribution } = await explainImage(await write("swin", swin), png, cpu);
    expect(attention).toBeUndefined();
    expect(windows.map(({ title, rows, windows: edges }) => [title, rows, edges!.rows])).toEqual([
      ["Stage 1, block 1", 8, [4]],
      ["Stage 1, block 2", 8, [2, 6]],
      ["Stage 2, block 1", 4, []],
    ]);
    for (const { values } of windows) expect(total(values) / values.length).toBeCloseTo(1, 4);
    expect(Math.abs(attribution!.completenessError)).toBeLessThan(1e-3);
  });

  test("puts the cells of shifted windows back in their place", () => {
    // A map of 4 × 4 cells, windows of 2 × 2, shifted by 1. In window 0 all look at its first cell, which lies at (1, 1).
    const attention = Tensor.zeros("float32", [4, 1, 4, 4]);
    for (let window = 0; window < 4; window++)
      for (let from = 0; from < 4; from++)
        attention.data[(window * 4 + from) * 4 + (window === 0 ? 0 : from)] = 1;
    const [, shifted] = windowMaps(
      { "attentions.0.0": attention, "attentions.0.1": attention },
      { width: 4, height: 4 },
      [1, 1],
    );
    expect(shifted!.values).toEqual([1, 1, 1, 1, 1, 4, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1]);
    expect(shifted!.windows).toEqual({ rows: [1, 3], columns: [1, 3] });
  });
});

describe("the grid of patches", () => {
  test.each([
    ["a class token", 197, 224, 224, { special: 1, rows: 14, columns: 14 }],
    ["class and distillation tokens", 198, 224, 224, { special: 2, rows: 14, columns: 14 }],
    ["no special token", 49, 28, 28, { special: 0, rows: 7, columns: 7 }],
    ["a picture that is not square", 33, 32, 64, { special: 1, rows: 8, columns: 4 }],
    ["tokens that fill no grid", 12, 32, 32, undefined],
  ])("follows from %s", (_, tokens, width, height, grid) => {
    expect(gridOf(tokens, { width, height })).toEqual(grid);
  });
});

describe("drawings", () => {
  const grey = rgbImage({ width: 4, height: 4 }, new Uint8Array(48).fill(100));
  const pixel = ({ data, width }: typeof grey, x: number, y: number): number[] => [
    ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
  ];

  test("colour a cell by its share of the largest value, and part windows by lines", () => {
    const map = { title: "", rows: 2, columns: 2, values: [0, 1, 0.5, 0] };
    const drawn = drawMap(grey, map);
    expect(pixel(drawn, 0, 0)).toEqual([70, 70, 70]);
    const [full, half] = [pixel(drawn, 3, 0), pixel(drawn, 0, 3)];
    expect(full[0]! - full[2]!).toBeGreaterThan(half[0]! - half[2]!);
    expect(half[0]).toBeGreaterThan(half[2]!);
    const parted = drawMap(grey, { ...map, windows: { rows: [1], columns: [] } });
    expect(pixel(parted, 1, 2)).toEqual([255, 255, 255]);
  });

  test("colour pixels blue for and orange against an answer", () => {
    const values = Array.from({ length: 16 }, (_, at) => (at === 0 ? 1 : at === 5 ? -1 : 0));
    const drawn = drawAttribution(grey, values);
    expect(pixel(drawn, 0, 0)[2]).toBeGreaterThan(pixel(drawn, 0, 0)[0]!);
    expect(pixel(drawn, 1, 1)[0]).toBeGreaterThan(pixel(drawn, 1, 1)[2]!);
    expect(pixel(drawn, 3, 3)).toEqual([70, 70, 70]);
  });

  test("make one PNG, and a page that loads nothing", async () => {
    const explanation = await explainImage(
      await write("vit", { ...vit, ...withLabels("<b>", "x", "y") }),
      png,
      {
        ...cpu,
        target: "<b>",
      },
    );
    const { width, height } = await sharp(await imageExplanationPng(explanation)).metadata();
    expect([width, height]).toEqual([(3 * 16 + 2 * 4) * 14, 16 * 14]);
    const page = await imageExplanationHtml("my model", explanation);
    expect(page.match(/<img /g)).toHaveLength(5);
    expect(page).toContain("&#60;b&#62;");
    expect(page).not.toMatch(/https?:\/\/|<b>/);
  });
});
