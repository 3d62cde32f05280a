import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { ConfigError } from "../errors.ts";
import { rgbImage } from "./image.ts";
import { ImagePreprocessor } from "./preprocess.ts";
import { preprocessPlan, readPreprocessor } from "./preprocessor-config.ts";
import { sizeAfter } from "./size-rule.ts";
import { torchvisionPlan } from "./torchvision.ts";

const folder = useTemporaryFolder();
const half = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
const clip = { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] };
const scale = { by: "factor", value: 1 / 255 };
const planOf = (type: string, fields = {}): unknown =>
  preprocessPlan({ image_processor_type: type, ...fields });

describe("a processor's defaults", () => {
  const square = (size: number): object => ({ height: size, width: size });

  test.each([
    ["ViTImageProcessor", { resize: { rule: square(224), filter: "bilinear" }, scale, normalize: half }],
    [
      "DeiTImageProcessor",
      {
        resize: { rule: square(256), filter: "bicubic" },
        crop: { ...square(224), rounding: "floor" },
        scale,
        normalize: half,
      },
    ],
    ["ConvNextImageProcessor", { resize: { rule: square(384), filter: "bilinear" }, scale, normalize: half }],
    [
      "MobileViTImageProcessor",
      {
        resize: { rule: { shortestEdge: 224 }, filter: "bilinear" },
        crop: { ...square(256), rounding: "floor" },
        scale,
        isBgr: true,
      },
    ],
    [
      "CLIPImageProcessor",
      {
        resize: { rule: { shortestEdge: 224 }, filter: "bicubic" },
        crop: { ...square(224), rounding: "floor" },
        scale,
        normalize: clip,
      },
    ],
    ["BlipImageProcessor", { resize: { rule: square(384), filter: "bicubic" }, scale, normalize: clip }],
  ])("of %s are Hugging Face's", (type, expected) => {
    expect(planOf(type)).toEqual(expected);
  });

  test("are those of the fast and of the old class alike", () => {
    const expected = planOf("ViTImageProcessor");
    expect(planOf("ViTImageProcessorFast")).toEqual(expected);
    expect(preprocessPlan({ feature_extractor_type: "ViTFeatureExtractor" })).toEqual(expected);
  });
});

describe("the fields of a config", () => {
  test.each([
    ["ViT", { size: 96 }, { height: 96, width: 96 }],
    ["ViT", { size: [48, 96] }, { height: 48, width: 96 }],
    ["ViT", { size: { height: 48, width: 96 } }, { height: 48, width: 96 }],
    ["CLIP", { size: 96 }, { shortestEdge: 96 }],
    ["CLIP", { size: 96, max_size: 200 }, { shortestEdge: 96, longestEdge: 200 }],
    ["CLIP", { size: { shortest_edge: 96, longest_edge: 200 } }, { shortestEdge: 96, longestEdge: 200 }],
    ["CLIP", { size: { height: 48, width: 96 } }, { height: 48, width: 96 }],
    ["ConvNext", { size: 224 }, { shortestEdge: 256 }],
    ["ConvNext", { size: { shortest_edge: 224 }, crop_pct: 0.9 }, { shortestEdge: 248 }],
  ])("%s with %j resizes to %j", (type, fields, rule) => {
    expect(planOf(`${type}ImageProcessor`, fields)).toMatchObject({ resize: { rule } });
  });

  test("turn steps off and on", () => {
    const off = { do_resize: false, do_rescale: false, do_normalize: false, do_flip_channel_order: null };
    expect(planOf("ViTImageProcessor", off)).toEqual({});
    const on = { ...off, do_pad: true, pad_size: 8, do_flip_channel_order: true };
    expect(planOf("ViTImageProcessor", on)).toEqual({ isBgr: true, pad: { height: 8, width: 8 } });
    expect(planOf("ConvNextImageProcessor", { do_resize: false, size: 224 })).not.toHaveProperty("crop");
  });

  test("that are unknown are ignored", () => {
    expect(planOf("ViTImageProcessor", { processor_class: "X", do_convert_rgb: true, foo: [1] })).toEqual(
      planOf("ViTImageProcessor"),
    );
  });

  test.each([
    [
      { image_processor_type: "DetrImageProcessor" },
      /image_processor_type must be one of ViT, .* got DetrImageProcessor/,
    ],
    [{}, /image_processor_type must be one of .* got none/],
    [{ size: { height: 4 } }, /size must be a number or \{height, width\}, or .* got \{"height":4\}/],
    [{ size: { height: 4, width: 4, shortest_edge: 4 } }, /size must be a number/],
    [{ size: { longest_edge: 4 } }, /size must be a number/],
    [
      { size: { shortest_edge: 9, longest_edge: 4 } },
      /longest_edge must be greater than shortest_edge 9, got 4/,
    ],
    [{ size: 0 }, /size: Too small/],
    [{ do_center_crop: true }, /do_center_crop needs crop_size/],
    [
      { do_center_crop: true, crop_size: { shortest_edge: 4 } },
      /crop_size must be a number or \{height, width\}/,
    ],
    [{ resample: 9 }, /resample must be one of 0 nearest, .* got 9/],
    [{ image_std: [1, 0, 1] }, /image_std must not hold 0/],
    [{ image_mean: [1, 2] }, /image_mean: must be one number, or one for each/],
    [{ crop_pct: 2 }, /crop_pct/],
    [{ do_resize: "yes" }, /do_resize/],
    [
      { image_processor_type: "MobileViTImageProcessor", do_normalize: true },
      /needs image_mean and image_std/,
    ],
    [{ image_processor_type: "ConvNextImageProcessor", size: { height: 4, width: 4 } }, /for ConvNeXT/],
  ])("%j are refused", (fields, message) => {
    const json =
      Object.keys(fields).length > 0 ? { image_processor_type: "ViTImageProcessor", ...fields } : {};
    expect(() => preprocessPlan(json)).toThrow(message);
    expect(() => preprocessPlan(json)).toThrow(ConfigError);
  });

  test("are read from a model folder", async () => {
    await expect(readPreprocessor(folder)).rejects.toThrow(/preprocessor_config\.json: cannot be read/);
    writeFileSync(join(folder, "preprocessor_config.json"), "{");
    await expect(readPreprocessor(folder)).rejects.toThrow(/is not valid JSON/);
    writeFileSync(join(folder, "preprocessor_config.json"), '{"image_processor_type": "ViTImageProcessor"}');
    expect(await readPreprocessor(folder)).toEqual(planOf("ViTImageProcessor"));
  });
});

describe("sizes", () => {
  test.each([
    [{ shortestEdge: 50 }, 100, 301, 50, 150],
    [{ shortestEdge: 50 }, 301, 100, 150, 50],
    [{ shortestEdge: 50, longestEdge: 90 }, 100, 301, 30, 90],
    [{ shortestEdge: 50, longestEdge: 200 }, 100, 301, 50, 150],
    [{ width: 3, height: 4 }, 100, 301, 3, 4],
  ])("under %j a picture of %i × %i becomes %i × %i", (rule, width, height, newWidth, newHeight) => {
    expect(sizeAfter(rule, { width, height })).toEqual({ width: newWidth, height: newHeight });
  });

  test("of an extremely narrow picture are refused", () => {
    expect(() => sizeAfter({ shortestEdge: 224 }, { width: 1, height: 50_000 })).toThrow(/too narrow/);
    expect(() => sizeAfter({ shortestEdge: 2, longestEdge: 3 }, { width: 1, height: 9 })).toThrow(
      /too narrow/,
    );
  });
});

describe("pixel values", () => {
  /** Red 10, 20, …; green one more, blue two more. */
  const ramp = (width: number, height: number) =>
    rgbImage(
      { width, height },
      Uint8Array.from({ length: width * height * 3 }, (_, i) => (Math.floor(i / 3) + 1) * 10 + (i % 3)),
    );

  test("are planes of red, green and blue, scaled and normalised", () => {
    const plan = {
      scale: { by: "divisor", value: 10 },
      normalize: { mean: [1, 2, 3], std: [1, 2, 4] },
    } as const;
    const tensor = new ImagePreprocessor(plan).batch([ramp(2, 1)]);
    expect(tensor.shape).toEqual([1, 3, 1, 2]);
    const expected = [0, 1, (1.1 - 2) / 2, (2.1 - 2) / 2, (1.2 - 3) / 4, (2.2 - 3) / 4];
    for (const [i, value] of expected.entries()) expect(tensor.data[i]).toBeCloseTo(value, 6);
  });

  test("have blue first where the channel order is flipped", () => {
    expect([...new ImagePreprocessor({ isBgr: true }).batch([ramp(2, 1)]).data]).toEqual([
      12, 22, 11, 21, 10, 20,
    ]);
  });

  test.each([
    ["floor", 3, [10, 20]],
    ["half-even", 3, [10, 20]],
    ["floor", 5, [20, 30]],
    ["half-even", 5, [30, 40]],
    ["floor", 1, [0, 10]],
    ["half-even", 1, [10, 0]],
  ] as const)("are cut with an odd margin by %s, %i pixels to 2", (rounding, width, expected) => {
    const plan = { crop: { width: 2, height: 1, rounding } };
    expect([...new ImagePreprocessor(plan).batch([ramp(width, 1)]).data.slice(0, 2)]).toEqual(expected);
  });

  test("of pictures of several sizes need a common size, or zeros at the right and below", () => {
    const images = [ramp(2, 1), ramp(1, 2)];
    expect(() => new ImagePreprocessor({}).batch(images)).toThrow(
      /must all be 2 × 2 after resizing .* got 2 × 1/,
    );
    const padded = new ImagePreprocessor({ pad: "largest" }).batch(images);
    expect(padded.shape).toEqual([2, 3, 2, 2]);
    expect([...padded.data.subarray(0, 4)]).toEqual([10, 20, 0, 0]);
    expect([...padded.data.subarray(12, 16)]).toEqual([10, 0, 20, 0]);
    const tooSmall = new ImagePreprocessor({ pad: { width: 1, height: 9 } });
    expect(() => tooSmall.batch(images)).toThrow(/must fit into 1 × 9/);
  });
});

describe("a torchvision pipeline", () => {
  test("resizes the short side, or to height and width", () => {
    expect(torchvisionPlan({ resize: 40, crop: [30, 36], interpolation: "bicubic" })).toEqual({
      resize: { rule: { shortestEdge: 40 }, filter: "bicubic" },
      crop: { height: 30, width: 36, rounding: "half-even" },
      scale: { by: "divisor", value: 255 },
    });
    expect(torchvisionPlan({ resize: [4, 5] }).resize?.rule).toEqual({ height: 4, width: 5 });
  });

  test("is refused with a mean but no std, or an unknown filter", () => {
    expect(() => torchvisionPlan({ mean: [0, 0, 0] })).toThrow(/mean and std must be given together/);
    expect(() => torchvisionPlan({ interpolation: "area" })).toThrow(/interpolation/);
  });
});
