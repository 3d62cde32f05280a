import { describe, expect, test } from "vitest";
import { layerFactors } from "./layer-rates.ts";

describe("learning rates by layer", () => {
  test("fall from the head through the layers to the embeddings", () => {
    const names = [
      "vit.embeddings.cls_token",
      "vit.encoder.layer.0.attention.weight",
      "vit.encoder.layer.1.attention.weight",
      "vit.encoder.layer.1.output.weight",
      "vit.layernorm.weight",
      "classifier.weight",
    ];
    expect([...layerFactors(names, 0.5).values()]).toEqual([0.125, 0.25, 0.5, 0.5, 1, 1]);
  });

  test("count the layers of all stages, and the merging after them", () => {
    const stage = "swin.encoder.layers";
    const names = [
      "swin.embeddings.weight",
      `${stage}.0.blocks.0.a`,
      `${stage}.0.blocks.1.a`,
      `${stage}.0.downsample.a`,
      `${stage}.1.blocks.0.a`,
      "classifier.weight",
    ];
    expect([...layerFactors(names, 0.5).values()]).toEqual([5, 4, 3, 2, 1, 0].map((level) => 0.5 ** level));
  });

  test("are all one where nothing decays or there are no layers", () => {
    expect([...layerFactors(["a.0.b", "c"], 1).values()]).toEqual([1, 1]);
    expect([...layerFactors(["a", "b"], 0.5).values()]).toEqual([0.5, 0.5]);
  });
});
