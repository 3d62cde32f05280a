import { describe, expect, test } from "vitest";
import { runModel, type Tensors } from "../../test/support/run-model.ts";
import { countParameters } from "../nn/module.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { TrainStep } from "../train/step.ts";
import { blipConfigs } from "./blip-architectures.ts";
import { clipConfigs } from "./clip-architectures.ts";
import { flamingoConfigs } from "./flamingo-architectures.ts";
import { architectureOf } from "./registry.ts";
import { storedNames, traceInference, trainable } from "./trace.ts";

const random = new Random(7);
const normal = (...shape: number[]): Tensor =>
  Tensor.from(
    "float32",
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
  );
const int64 = (shape: readonly number[], values: readonly number[]): Tensor =>
  Tensor.from("int64", shape, values);

function expectNear(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [at, value] of expected.entries()) expect(actual[at]).toBeCloseTo(value, 5);
}

describe("named configs have exactly the published number of parameters", () => {
  const cases: [string, string, object, number][] = [
    ["CLIP ViT-B/32", "CLIPModel", clipConfigs["clip-vit-base-patch32"], 151277313],
    ["CLIP ViT-B/16", "CLIPModel", clipConfigs["clip-vit-base-patch16"], 149620737],
    ["CLIP ViT-L/14", "CLIPModel", clipConfigs["clip-vit-large-patch14"], 427616513],
    ["CLIP ViT-B/32 of its authors", "openai-clip-vit", {}, 151277313],
    ["BLIP base for captions", "BlipForConditionalGeneration", blipConfigs["blip-base"], 247414076],
    ["BLIP base for matching", "BlipForImageTextRetrieval", blipConfigs["blip-base"], 223744258],
    ["BLIP base for questions", "BlipForQuestionAnswering", blipConfigs["blip-base"], 384672572],
  ];
  test.each(cases)("%s", (_, name, config, count) => {
    const json = { architectures: [name], ...config };
    expect(countParameters(architectureOf(json).build(json))).toBe(count);
  });
});

const tower = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const tinyClip = {
  architectures: ["CLIPModel"],
  projection_dim: 8,
  text_config: { ...tower, vocab_size: 30, max_position_embeddings: 6 },
  vision_config: { ...tower, image_size: 8, patch_size: 4 },
};

describe("CLIP", () => {
  const pixels = normal(2, 3, 8, 8);

  test("scores any number of texts for each image, and has a loss for pairs only", async () => {
    const ids = int64([3, 4], [28, 3, 29, 0, 28, 4, 5, 29, 28, 29, 0, 0]);
    const outputs = await runModel(tinyClip, { pixel_values: pixels, input_ids: ids }, { isSymbolic: true });
    expect(outputs.logits_per_image!.shape).toEqual([2, 3]);
    expect(outputs).not.toHaveProperty("loss");
  });

  test("reads a text up to its first end token, whatever follows", async () => {
    const embeds = async (ids: readonly number[]): Promise<number[]> => {
      const feeds = { pixel_values: pixels, input_ids: int64([1, ids.length], ids) };
      return (await runModel(tinyClip, feeds)).text_embeds!.toNumbers();
    };
    const [short, long] = [await embeds([28, 3, 29]), await embeds([28, 3, 29, 29, 4])];
    expectNear(short, long);
  });

  test("learns with the sigmoid loss, whose scores have a bias", async () => {
    const json = {
      ...tinyClip,
      contrastive_loss: "sigmoid",
      logit_bias_init_value: -10,
      logit_scale_init_value: 0,
    };
    const ids = int64([2, 3], [28, 3, 29, 28, 4, 29]);
    const outputs = await runModel(json, { pixel_values: pixels, input_ids: ids }, { gradients: true });
    const scores = outputs.logits_per_text!.toNumbers();
    const signs = [-1, 1, 1, -1]; // pairs are on the diagonal
    const terms = scores.map((score, at) => Math.log1p(Math.exp(signs[at]! * score)));
    expect(Number(outputs.loss!.data[0])).toBeCloseTo(terms.reduce((a, b) => a + b) / 2, 4);
    expect(Number(outputs["grad.logit_bias"]!.data[0])).toBeLessThan(0); // the bias is too low for the pairs
  });

  test("keeps the temperature at 100 or below in training", async () => {
    const json = { ...tinyClip, logit_scale_init_value: 6 };
    const step = await TrainStep.open(architectureOf(json), json, { threads: 1 });
    const batch = { pixel_values: pixels, input_ids: int64([2, 3], [28, 3, 29, 28, 4, 29]) };
    await step.run([batch], 1, 1e-6);
    expect(Number(step.state.value("logit_scale").data[0])).toBeCloseTo(Math.log(100), 4);
    await step.release();
  });

  test("refuses images of another size", () => {
    const known = architectureOf(tinyClip);
    const model = known.build(tinyClip);
    const specs = known.inputs(tinyClip).map((spec) => ({
      ...spec,
      axes: spec.name === "pixel_values" ? ["images", 3, 12, 8] : spec.axes,
    }));
    expect(() => traceInference(model, storedNames(known, model), specs)).toThrow(/8 × 8 pixels, got 12 × 8/);
  });
});

const tinyBlip = {
  vision: { embed_dim: 16, depth: 1, num_heads: 2, image_size: 8, patch_size: 4 },
  text_config: {
    ...tower,
    vocab_size: 30,
    max_position_embeddings: 6,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
  },
  model: "blip-pretrain",
  embed_dim: 8,
  queue_size: 5,
  momentum: 0.5,
  bos_token_id: 28,
  enc_token_id: 29,
};

describe("BLIP's pretraining", () => {
  const batch: Tensors = {
    image: normal(3, 3, 8, 8),
    input_ids: int64([3, 4], [2, 5, 6, 3, 2, 7, 3, 0, 2, 8, 9, 3]),
    attention_mask: int64([3, 4], [1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1]),
  };
  const open = (): Promise<TrainStep> =>
    TrainStep.open(architectureOf(tinyBlip), tinyBlip, { threads: 1, weightDecay: 0 });

  test("begins with momentum encoders equal to the trained ones, which then follow", async () => {
    const step = await open();
    const values = (name: string): number[] => step.state.value(name).toNumbers();
    const [own, copy] = ["vision_proj.weight", "vision_proj_m.weight"] as const;
    const first = values(own);
    expect(values(copy)).toEqual(first);
    await step.run([batch], 1, 0.01);
    expect(values(copy)).toEqual(first); // it moved before the update did
    const second = values(own);
    await step.run([batch], 2, 0.01);
    const halfway = first.map((value, at) => (value + second[at]!) / 2);
    expectNear(values(copy), halfway);
    await step.release();
  });

  test("fills its queues round and round", async () => {
    const step = await open();
    const columns = (): number[][] => {
      const values = step.state.value("text_queue").toNumbers();
      return Array.from({ length: 5 }, (_, column) => values.filter((_, at) => at % 5 === column));
    };
    const before = columns();
    await step.run([batch], 1, 0);
    const filled = columns();
    expect(filled.slice(3)).toEqual(before.slice(3));
    expect(step.state.value("queue_ptr").toNumbers()).toEqual([3]);
    await step.run([batch], 2, 0);
    expect(step.state.value("queue_ptr").toNumbers()).toEqual([1]);
    const again = columns(); // with rate 0 the features are those of the step before, from column 3 on
    for (const [at, column] of [3, 4, 0].entries()) {
      expectNear(again[column]!, filled[at]!);
    }
    await step.release();
  });

  test("learns: the loss falls", async () => {
    const step = await open();
    const losses: number[] = [];
    for (let at = 1; at <= 12; at++) losses.push((await step.run([batch], at, 3e-3)).loss);
    await step.release();
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.5);
  });
});

describe("BLIP for questions", () => {
  test("refuses images and texts of different widths", () => {
    const json = { architectures: ["BlipForQuestionAnswering"], vision_config: tower };
    expect(() => architectureOf(json).build(json)).toThrow(/hidden_size must be the same.*16 and 768/);
  });
});

const tinyFlamingo = {
  model: "open-flamingo",
  media_token_id: 29,
  freeze_pretrained: true,
  cross_attn_every_n_layers: 2,
  text_config: { vocab_size: 30, n_embd: 16, n_layer: 4, n_head: 2, n_positions: 12 },
  perceiver: {
    dim: 24,
    depth: 1,
    heads: 2,
    dim_head: 4,
    num_latents: 3,
    max_num_media: 4,
    max_num_frames: 2,
  },
  cross_attention: { heads: 2, dim_head: 4 },
  vision: { image_resolution: 8, vision_patch_size: 4, vision_width: 24, vision_heads: 2, vision_layers: 1 },
};

describe("Flamingo", () => {
  const known = architectureOf(tinyFlamingo);

  test("trains what lies between its frozen towers, before every second layer", () => {
    const names = trainable(storedNames(known, known.build(tinyFlamingo))).map(([, name]) => name);
    expect(names).toContain("lang_encoder.transformer.h.3.gated_cross_attn_layer.attn_gate");
    expect(names.filter((name) => /h\.[02]\.gated|decoder_layer|vision_encoder|wte/.test(name))).toEqual([]);
    expect(names.every((name) => /^perceiver\.|gated_cross_attn_layer\./.test(name))).toBe(true);
  });

  test("reads pixels of several images and frames with its image tower", async () => {
    const pixels = normal(1, 2, 2, 3, 8, 8);
    const ids = int64([1, 5], [29, 4, 29, 5, 6]);
    const outputs = await runModel(tinyFlamingo, { pixel_values: pixels, input_ids: ids });
    expect(outputs.perceiver_output!.shape).toEqual([1, 2, 3, 24]);
    expect(outputs.logits!.shape).toEqual([1, 5, 30]);
  });

  test("has a published size that builds", () => {
    const json = { model: "open-flamingo", ...flamingoConfigs["flamingo-clip-vit-large-patch14-gpt2"] };
    expect(countParameters(architectureOf(json).build(json))).toBeGreaterThan(1e8);
  });
});
