import { describe, expect, test } from "vitest";
import { parameterAttrs } from "../graph/node.ts";
import { countParameters, parametersOf } from "../nn/module.ts";
import { sizeOf } from "../tensor/tensor.ts";
import type { ConfigJson } from "./config.ts";
import { cvtConfigs } from "./cvt-architectures.ts";
import { maeConfigs } from "./mae-architectures.ts";
import { mobileVitConfigs } from "./mobilevit-architectures.ts";
import { architectureOf } from "./registry.ts";
import { swinConfigs } from "./swin-architectures.ts";
import { t2tVitConfigs } from "./t2t-vit.ts";
import { storedNames, traceInference } from "./trace.ts";
import { deitConfigs, vitConfigs } from "./vit-architectures.ts";

const labels = Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [at, `LABEL_${at}`]));

const modelOf = (architecture: string, config: object): object => {
  const json: ConfigJson = { architectures: [architecture], id2label: labels, ...config };
  return architectureOf(json).build(json);
};

/** Weights that an optimizer moves, and fixed tables that are stored with them. */
const withTables = (model: object): number =>
  countParameters(model) +
  [...parametersOf(model).keys()]
    .filter((node) => !parameterAttrs(node).isTrainable)
    .reduce((total, node) => total + sizeOf(node.shape as number[]), 0);

describe("named configs have exactly the published number of parameters", () => {
  const vit = "ViTForImageClassification";
  const deit = "DeiTForImageClassificationWithTeacher";
  const attention = { pooling: "attention" };
  const cases: [string, string, object, number][] = [
    ["ViT-S/16", vit, vitConfigs["vit-small-patch16-224"], 22050664],
    ["ViT-B/16", vit, vitConfigs["vit-base-patch16-224"], 86567656],
    ["ViT-L/16", vit, vitConfigs["vit-large-patch16-224"], 304326632],
    ["ViT-H/14", vit, vitConfigs["vit-huge-patch14-224"], 632045800],
    ["ViT-g/14", vit, vitConfigs["vit-giant-patch14-224"], 1012611432],
    ["ViT-G/14", vit, vitConfigs["vit-gigantic-patch14-224"], 1844440680],
    [
      "ViT-g/14 with attention pooling",
      vit,
      { ...vitConfigs["vit-giant-patch14-224"], ...attention },
      1037857384,
    ],
    [
      "ViT-G/14 with attention pooling",
      vit,
      { ...vitConfigs["vit-gigantic-patch14-224"], ...attention },
      1882797416,
    ],
    ["ViT-B/16 with pooler", "ViTModel", vitConfigs["vit-base-patch16-224"], 86389248],
    ["DeiT-Ti/16 distilled", deit, deitConfigs["deit-tiny-distilled-patch16-224"], 5910800],
    ["DeiT-S/16 distilled", deit, deitConfigs["deit-small-distilled-patch16-224"], 22436432],
    ["DeiT-B/16 distilled", deit, deitConfigs["deit-base-distilled-patch16-224"], 87338192],
    ["Swin-T", "SwinForImageClassification", swinConfigs["swin-tiny-patch4-window7-224"], 28288354],
    ["Swin-S", "SwinForImageClassification", swinConfigs["swin-small-patch4-window7-224"], 49606258],
    ["Swin-B", "SwinForImageClassification", swinConfigs["swin-base-patch4-window7-224"], 87768224],
    ["CvT-13", "CvtForImageClassification", cvtConfigs["cvt-13"], 19997480],
    ["CvT-21", "CvtForImageClassification", cvtConfigs["cvt-21"], 31622696],
    ["MobileViT-XXS", "MobileViTForImageClassification", mobileVitConfigs["mobilevit-xx-small"], 1272024],
    ["MobileViT-XS", "MobileViTForImageClassification", mobileVitConfigs["mobilevit-x-small"], 2317848],
    ["MobileViT-S", "MobileViTForImageClassification", mobileVitConfigs["mobilevit-small"], 5578632],
  ];
  test.each(cases)("%s", (_, architecture, config, count) => {
    expect(countParameters(modelOf(architecture, config))).toBe(count);
  });

  const tabled: [string, string, object, number][] = [
    ["MAE ViT-B/16", "ViTMAEForPreTraining", maeConfigs["vit-mae-base"], 111907840],
    ["T2T-ViT-14", "t2t-vit", t2tVitConfigs["t2t-vit-14"], 21545550],
    ["T2T-ViT-19", "t2t-vit", t2tVitConfigs["t2t-vit-19"], 39177422],
    ["T2T-ViT-24", "t2t-vit", t2tVitConfigs["t2t-vit-24"], 64105934],
    ["T2T-ViT_t-14", "t2t-vit", t2tVitConfigs["t2t-vit-t-14"], 21541070],
    ["T2T-ViT_t-19", "t2t-vit", t2tVitConfigs["t2t-vit-t-19"], 39172942],
    ["T2T-ViT_t-24", "t2t-vit", t2tVitConfigs["t2t-vit-t-24"], 64101454],
  ];
  test.each(tabled)("%s, fixed position tables counted", (_, architecture, config, count) => {
    expect(withTables(modelOf(architecture, config))).toBe(count);
  });
});

describe("image sizes", () => {
  const shapeOf = (architecture: string, config: object, height: number, width: number) => {
    const json: ConfigJson = { architectures: [architecture], ...config };
    const known = architectureOf(json);
    const model = known.build(json);
    const specs = [{ name: "pixel_values", dtype: "float32" as const, axes: ["batch", 3, height, width] }];
    return traceInference(model, storedNames(known, model), specs).outputs.logits!.shape.slice(1);
  };
  const small = { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32 };

  test("ViT takes any size that its patches fill, and names the patch for others", () => {
    const config = { ...small, image_size: 32, patch_size: 8 };
    expect(shapeOf("ViTForImageClassification", config, 48, 40)).toEqual([2]);
    expect(() => shapeOf("ViTForImageClassification", config, 50, 40)).toThrow(/50 × 40 pixels.*8 × 8/);
  });

  test("Swin takes sizes that nothing divides, and refuses maps smaller than a window", () => {
    const config = { embed_dim: 8, depths: [1, 1], num_heads: [1, 2], image_size: 64, window_size: 4 };
    expect(shapeOf("SwinForImageClassification", config, 61, 75)).toEqual([2]);
    expect(() => shapeOf("SwinForImageClassification", config, 12, 64)).toThrow(/smaller than a window of 4/);
  });

  test("MobileViT resamples maps that patches do not fill, and refuses images below 32 pixels", () => {
    expect(shapeOf("MobileViTForImageClassification", {}, 96, 72)).toEqual([2]);
    expect(() => shapeOf("MobileViTForImageClassification", {}, 16, 64)).toThrow(/at least 32 × 32/);
  });
});
