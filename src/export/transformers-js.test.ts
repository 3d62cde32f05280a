/** Exported folders in transformers.js itself. Scores differ by the order of float32 sums only. */

import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  AutoModelForCausalLM,
  AutoModelForSeq2SeqLM,
  CLIPTextModelWithProjection,
  CLIPVisionModelWithProjection,
  env,
  Tensor as PeerTensor,
  pipeline as peerPipeline,
} from "@huggingface/transformers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyEncoderConfig, writeTinyEncoder } from "../../test/support/tiny-encoders.ts";
import { tinyGpt2, tinyMarian } from "../../test/support/tiny-generators.ts";
import { pngOf, tinyVit, writeTinyImageModel } from "../../test/support/tiny-images.ts";
import { tinyConfig, tinyVocab, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { LocalGenerator } from "../generation/generator.ts";
import type { ConfigJson } from "../models/config.ts";
import { type PipelineByTask, pipeline } from "../tasks/pipeline.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Precision } from "./assemble.ts";
import { exportModel } from "./export.ts";

const folder = useTemporaryFolder();
const at = (name: string): string => join(folder, name);
const cpu = { provider: "cpu", threads: 1 } as const;

const opened: { dispose(): Promise<unknown> }[] = [];
const keep = <T extends { dispose(): Promise<unknown> }>(one: T): T => {
  opened.push(one);
  return one;
};

beforeAll(() => {
  env.allowRemoteModels = false;
  env.localModelPath = folder;
});
afterAll(() => Promise.all(opened.map((each) => each.dispose())));

/** Exports a folder beside itself; returns the name. */
async function exportTiny(name: string, precisions: readonly Precision[] = ["fp32"]): Promise<string> {
  const exported = `${name}-exported`;
  await exportModel(at(name), at(exported), { format: "transformers.js", name, precisions });
  return exported;
}

type Task = keyof PipelineByTask;
type Ask = (...inputs: unknown[]) => Promise<unknown>;

/** Both libraries' answers: ours from the folder, theirs from what is exported of it. */
async function both(task: Task, name: string, ask: (pipe: Ask) => Promise<unknown>, exported?: string) {
  const ours = keep(await pipeline(task, at(name), cpu));
  const path = exported ?? (await exportTiny(name));
  const theirs = keep(await peerPipeline(task as "text-classification", path, { dtype: "fp32" }));
  return [await ask(ours as Ask), await ask(theirs as Ask)] as const;
}

/** Every number within 1e-4, everything else equal; what only ours has (places in the text) is not compared. */
function expectClose([actual, expected]: readonly [unknown, unknown]): void {
  if (typeof expected === "number") expect(Math.abs((actual as number) - expected)).toBeLessThan(1e-4);
  else if (typeof expected !== "object" || expected === null) expect(actual).toBe(expected);
  else {
    if (Array.isArray(expected)) expect(actual).toHaveLength(expected.length);
    for (const [key, value] of Object.entries(expected))
      expectClose([(actual as Record<string, unknown>)[key], value]);
  }
}

const texts = ["a very good film", "Dull and very poor, with a bad story!"];
/** Matrices large enough to become integers, with weights that do not blow rounding up. */
const wide = { hidden_size: 128, intermediate_size: 256, initializer_range: 0.1 };
const labels = withLabels("O", "B-PER", "I-PER", "B-LOC");

describe("text: transformers.js answers as we do", () => {
  const cases: readonly [Task, string, ConfigJson, (pipe: Ask) => Promise<unknown>][] = [
    [
      "text-classification",
      "BertForSequenceClassification",
      withLabels("bad", "fine", "good"),
      (pipe) => pipe(texts, { top_k: 3 }),
    ],
    ["token-classification", "BertForTokenClassification", labels, (pipe) => pipe(texts)],
    [
      "question-answering",
      "BertForQuestionAnswering",
      {},
      (pipe) => pipe("where is the book ?", "john lives in london with a red book"),
    ],
    ["fill-mask", "BertForMaskedLM", {}, (pipe) => pipe("the [MASK] is good.")],
  ];

  test.each(cases)("%s", async (task, name, extra, ask) => {
    await writeTinyModel(at(name), tinyConfig(name, extra));
    expectClose(await both(task, name, ask));
  });

  test.each(["distilbert", "roformer"])("%s", async (modelType) => {
    const className = { distilbert: "DistilBert", roformer: "RoFormer" }[modelType];
    const config = tinyEncoderConfig(modelType, `${className}ForSequenceClassification`, labels);
    await writeTinyEncoder(at(modelType), config);
    expectClose(await both("text-classification", modelType, (pipe) => pipe(texts)));
  });

  test.each(["BertModel", "BertForSentenceSimilarity"])("features of %s", async (name) => {
    await writeTinyModel(at(name), tinyConfig(name));
    const ask = async (pipe: Ask) => {
      const { dims, data } = (await pipe(texts, { pooling: "mean", normalize: true })) as PeerTensor;
      return { dims, data: Array.from(data as Float32Array) };
    };
    expectClose(await both("feature-extraction", name, ask));
  });

  test("fp16, q8 and q4 answer nearly the same, from smaller files", async () => {
    const name = "small";
    await writeTinyModel(at(name), { ...tinyConfig("BertForSequenceClassification", labels), ...wide });
    const exported = await exportTiny(name, ["fp32", "fp16", "q8", "q4"]);
    const sizeOf = (suffix: string): number =>
      statSync(join(at(exported), "onnx", `model${suffix}.onnx`)).size;
    const answers = async (dtype: Precision) => {
      const pipe = keep(await peerPipeline("text-classification", exported, { dtype }));
      const rows = (await pipe(texts, { top_k: 4 })) as { label: string; score: number }[][];
      return rows.map((row) => Object.fromEntries(row.map(({ label, score }) => [label, score])));
    };
    const expected = await answers("fp32");
    for (const [precision, suffix, tolerance, size] of [
      ["fp16", "_fp16", 0.005, 0.55],
      ["q8", "_quantized", 0.03, 0.35],
      ["q4", "_q4", 0.25, 0.35],
    ] as const) {
      expect(sizeOf(suffix) / sizeOf("")).toBeLessThan(size);
      for (const [row, scores] of (await answers(precision)).entries()) {
        for (const [label, score] of Object.entries(scores))
          expect(Math.abs(score - expected[row]![label]!)).toBeLessThan(tolerance);
      }
    }
  });
});

describe("pictures", () => {
  const tower = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
  const words = {
    ...tower,
    vocab_size: tinyVocab.length,
    max_position_embeddings: 24,
    initializer_range: 0.5,
  };
  const clip = {
    architectures: ["CLIPModel"],
    model_type: "clip",
    projection_dim: 8,
    text_config: words,
    vision_config: { ...tower, image_size: 16, patch_size: 8 },
    image_size: 16, // for the preprocessor
  };

  beforeAll(async () => {
    writeFileSync(at("picture.png"), await pngOf(16, 1));
    await writeTinyImageModel(at("vit"), { ...tinyVit, ...labels });
    await writeTinyImageModel(at("clip"), clip);
  });

  test("a ViT names classes as we do", async () => {
    expectClose(await both("image-classification", "vit", (pipe) => pipe(at("picture.png"), { top_k: 4 })));
  });

  test("CLIP compares a picture with labels as we do, and its towers give vectors of one space", async () => {
    const exported = await exportTiny("clip");
    const candidates = ["film", "book", "a good story"];
    const ours = keep(await pipeline("zero-shot-image-classification", at("clip"), cpu));
    const theirs = keep(await peerPipeline("zero-shot-image-classification", exported, { dtype: "fp32" }));
    const template = { hypothesis_template: "a {}" };
    const answer = await theirs(at("picture.png"), candidates, template);
    expectClose([await ours(at("picture.png"), candidates, template), answer]);
    const text = keep(await CLIPTextModelWithProjection.from_pretrained(exported, { dtype: "fp32" }));
    const vision = keep(await CLIPVisionModelWithProjection.from_pretrained(exported, { dtype: "fp32" }));
    const ids = new PeerTensor("int64", [2n, 7n, 3n], [1, 3]);
    const mask = new PeerTensor("int64", [1n, 1n, 1n], [1, 3]);
    const pixels = new PeerTensor("float32", new Float32Array(768).fill(0.3), [1, 3, 16, 16]);
    const { text_embeds } = await text({ input_ids: ids, attention_mask: mask });
    const { image_embeds } = await vision({ pixel_values: pixels });
    const whole = await theirs.model({ input_ids: ids, attention_mask: mask, pixel_values: pixels });
    for (const [part, name] of [
      [text_embeds, "text_embeds"],
      [image_embeds, "image_embeds"],
    ] as const) {
      const length = Math.hypot(...part.data);
      expectClose([Array.from(part.data as Float32Array, (x) => x / length), Array.from(whole[name].data)]);
    }
  });
});

describe("generation", () => {
  const settings = { max_new_tokens: 24, eos_token_id: [] as number[] };
  const int64 = (ids: readonly number[]) => new PeerTensor("int64", ids.map(BigInt), [1, ids.length]);
  const ones = (ids: readonly number[]) => int64(ids.map(() => 1));
  const numbers = (tensor: unknown): number[] =>
    Array.from((tensor as PeerTensor).data as BigInt64Array, Number);

  async function ourIds(name: string, ids: readonly number[], isSource: boolean): Promise<readonly number[]> {
    const generator = await LocalGenerator.open(at(name), cpu);
    const source = { source: { input_ids: Tensor.from("int64", [ids.length], ids) } };
    const [[best] = []] = await generator.generate([isSource ? source : { ids }], {
      ...settings,
      num_beams: 1,
    });
    await generator.release();
    return best!.ids;
  }

  test.each([["fp32"], ["fp16"]] as const)("GPT-2 in %s continues with our ids", async (dtype) => {
    const name = `gpt2-${dtype}`;
    await writeTinyModel(at(name), tinyGpt2);
    const model = keep(
      await AutoModelForCausalLM.from_pretrained(await exportTiny(name, [dtype]), { dtype }),
    );
    const prompt = [7, 21, 40, 12];
    const theirs = await model.generate({
      inputs: int64(prompt),
      attention_mask: ones(prompt),
      max_new_tokens: 24,
      eos_token_id: [],
    });
    const expected = await ourIds(name, prompt, false);
    const compared = dtype === "fp32" ? expected.length : 4;
    expect(numbers(theirs).slice(prompt.length, prompt.length + compared)).toEqual(
      expected.slice(0, compared),
    );
    expect(expected).toHaveLength(24);
  });

  test("Marian translates to our ids, from an encoder and a merged decoder", async () => {
    await writeTinyModel(at("marian"), tinyMarian);
    const exported = await exportTiny("marian", ["fp32", "fp16", "q8"]);
    const model = keep(await AutoModelForSeq2SeqLM.from_pretrained(exported, { dtype: "fp32" }));
    const { inputNames, outputNames } = model.sessions.decoder_model_merged!;
    expect(inputNames).toContain("use_cache_branch");
    expect(inputNames).toContain("past_key_values.1.encoder.value");
    expect(outputNames).toContain("present.0.decoder.key");
    const source = [7, 21, 40, 12, 3];
    const theirs = await model.generate({
      inputs: int64(source),
      attention_mask: ones(source),
      max_new_tokens: 24,
      eos_token_id: [],
    });
    const expected = await ourIds("marian", source, true);
    expect(numbers(theirs).slice(1)).toEqual([...expected]);
    expect(expected).toHaveLength(24);
    for (const dtype of ["fp16", "q8"] as const) {
      const smaller = keep(await AutoModelForSeq2SeqLM.from_pretrained(exported, { dtype }));
      const ids = numbers(
        await smaller.generate({ inputs: int64(source), attention_mask: ones(source), max_new_tokens: 8 }),
      );
      expect(ids[1]).toBe(expected[0]);
    }
  });
});

test("a model that transformers.js has no class for is refused", async () => {
  await writeTinyModel(
    at("crf"),
    tinyConfig("BertForTokenClassification", { ...labels, architectures: ["BertCrfForTokenClassification"] }),
  );
  await expect(exportTiny("crf")).rejects.toThrow(/transformers\.js has no class with crf .*--format onnx/);
});
