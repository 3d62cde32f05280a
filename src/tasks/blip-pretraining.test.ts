import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { finishedBlipConfig } from "../models/blip-finished.ts";
import { architectureOf } from "../models/registry.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { trainTokenizerOnTexts } from "../text/train-tokenizer.ts";
import type { Batch } from "../train/step.ts";
import { createStepApi, type StepApi } from "../train/step-api.ts";
import { ImageDecoder } from "../vision/decode.ts";
import { ImagePreprocessor } from "../vision/preprocess.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import { blipPretrainingData } from "./blip-pretraining.ts";

const folder = useTemporaryFolder();
const layers = { hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 2 };
const tiny = {
  architectures: ["BlipForPreTraining"],
  model_type: "blip",
  image_text_hidden_size: 8,
  queue_size: 10,
  alpha: 0.4,
  text_config: {
    ...layers,
    hidden_dropout_prob: 0.1,
    initializer_range: 0.2,
    max_position_embeddings: 12,
    vocab_size: 30,
    bos_token_id: 28,
    enc_token_id: 29,
    sep_token_id: 3,
  },
  vision_config: { ...layers, image_size: 16, patch_size: 8 },
};
const size = 4;

function batchOf(seed: number): Batch {
  const random = new Random(seed);
  const ids = Array.from({ length: size * 6 }, (_, at) => (at % 6 === 0 ? 2 : 4 + random.integer(20)));
  const pixels = Float32Array.from({ length: size * 3 * 16 * 16 }, () => random.normal());
  return {
    pixel_values: new Tensor("float32", [size, 3, 16, 16], pixels),
    input_ids: Tensor.from("int64", [size, 6], ids),
    attention_mask: Tensor.from("int64", [size, 6], new Array(size * 6).fill(1)),
    alpha: Tensor.from("float32", [], [0.3]),
  };
}

async function steps(api: StepApi, from: number, to: number): Promise<void> {
  for (let step = from; step <= to; step++) await api.step([batchOf(step)], step, 1e-2);
}

async function saved(api: StepApi, name: string): Promise<string> {
  const path = join(folder, name);
  mkdirSync(path);
  await api.saveState(path);
  return path;
}

const open = (config = tiny as object, weightsFolder?: string): Promise<StepApi> =>
  createStepApi({ config: { ...config }, options: { seed: 1, threads: 1 }, weightsFolder });

const numbersOf = (path: string) => readSafetensors(join(path, "model.safetensors"));

describe("BLIP's pretraining", () => {
  let straight: string;
  let finished: string;
  let api: StepApi;
  beforeAll(async () => {
    api = await open();
    await steps(api, 1, 4);
    straight = await saved(api, "straight");
    finished = join(folder, "finished");
    mkdirSync(finished);
    await api.saveModel(finished, "float32");
    writeFileSync(join(finished, "config.json"), JSON.stringify(tiny));
    await blipPretrainingData.finish!(finished);
  });

  test("resumes to the same bits: weights, momentum encoders, queues and their pointer", async () => {
    const first = await open();
    await steps(first, 1, 2);
    const half = await saved(first, "half");
    const second = await open();
    await second.loadState(half);
    await steps(second, 3, 4);
    const resumed = await saved(second, "resumed");
    for (const file of ["model.safetensors", "optimizer.safetensors"])
      expect(readFileSync(join(resumed, file)).equals(readFileSync(join(straight, file)))).toBe(true);
    const [before, after] = [await numbersOf(half), await numbersOf(straight)];
    expect(after.get("queue_ptr")!.toNumbers()).toEqual([(4 * size) % 10]);
    for (const name of ["text_queue", "text_encoder_m.embeddings.word_embeddings.weight"])
      expect(after.get(name)!.toNumbers()).not.toEqual(before.get(name)!.toNumbers());
  });

  test("leaves the weights of a captioner and a matcher, which compute what they were trained to", async () => {
    const config = JSON.parse(readFileSync(join(finished, "config.json"), "utf8"));
    expect(config).toEqual({
      ...finishedBlipConfig(tiny),
      architectures: ["BlipForConditionalGeneration", "BlipForImageTextRetrieval"],
    });
    expect(config).not.toHaveProperty("queue_size");
    const { alpha, ...inputs } = batchOf(9);
    const wanted = await api.evaluate({ ...inputs, alpha: alpha! }, ["lm_logits", "itm_logits"]);
    const captioner = await open(config, finished);
    const started = inputs.input_ids!.toNumbers().map((id, at) => (at % 6 === 0 ? 28 : id));
    const asked = { ...inputs, input_ids: Tensor.from("int64", [size, 6], started) };
    const { decoder_logits } = await captioner.evaluate(asked, ["decoder_logits"]);
    expect(farthest(decoder_logits!, wanted.lm_logits!)).toBeLessThan(1e-4);
    const matcher = await open({ ...config, architectures: [config.architectures[1]] }, finished);
    const { itm_logits } = await matcher.evaluate(inputs, ["itm_logits"]);
    expect(farthest(itm_logits!, wanted.itm_logits!)).toBeLessThan(1e-4); // right pairs come first
  });

  test("starts from a published model with momentum encoders that are copies of its own", async () => {
    const again = await open(tiny, finished);
    expect(again.drawn().filter((name) => /_m\./.test(name))).toEqual([]);
    const weights = await numbersOf(await saved(again, "again"));
    const published = await numbersOf(finished);
    const name = "encoder.layer.1.crossattention.self.key.weight";
    const own = published.get(`text_encoder.${name}`)!.toNumbers();
    expect(weights.get(`text_encoder.${name}`)!.toNumbers()).toEqual(own);
    expect(weights.get(`text_encoder_m.${name}`)!.toNumbers()).toEqual(own);
  });

  test("refuses a queue that is shorter than a batch", async () => {
    const short = await open({ ...tiny, queue_size: 3 });
    await expect(short.step([batchOf(1)], 1, 1e-2)).rejects.toThrow(/queue_size must be at least.*3 and 4/);
  });
});

/** The greatest difference of the numbers that both begin with. */
function farthest(a: Tensor, b: Tensor): number {
  const others = b.toNumbers();
  return Math.max(...a.toNumbers().map((value, at) => Math.abs(value - others[at]!)));
}

describe("its data", () => {
  test("raise the share of soft targets over two epochs, and leave it out of evaluation", async () => {
    const tokenizer = await trainTokenizerOnTexts(["a red square"], { kind: "wordpiece", vocabSize: 60 });
    const image = { width: 16, height: 16, data: new Uint8Array(16 * 16 * 3) };
    const example = { source: "1", load: async () => image, keywords: [] };
    const pairs = [
      { ...example, captions: ["a red square", "red"] },
      { ...example, captions: ["a square"] },
    ];
    const setup = {
      config: tiny,
      tokenizer,
      maxLength: 12,
      seed: 1,
      size: { width: 16, height: 16 },
      decoder: new ImageDecoder(),
      preprocessor: new ImagePreprocessor({}),
    };
    const train = blipPretrainingData.datasetOf(pairs, { ...setup, augmentation: { picture: {} } });
    const alphas = [0, 0.5, 2, 7].map((epochs) => train.inputsAt!(epochs).alpha!.toNumbers()[0]!);
    expect(alphas.map((alpha) => alpha.toFixed(2))).toEqual(["0.00", "0.10", "0.40", "0.40"]);
    expect(await train.collate([0, 1], 1, new Random(0), 0)).not.toHaveProperty("alpha");
    const held = blipPretrainingData.datasetOf(pairs, setup);
    expect((await held.collate([0, 1], 1, new Random(0), 0)).alpha!.toNumbers()).toEqual([0]);
    expect(
      architectureOf(tiny)
        .inputs(tiny)
        .map(({ name }) => name),
    ).toContain("alpha");
  });
});
