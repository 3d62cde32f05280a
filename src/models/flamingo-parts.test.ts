import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyGpt2 } from "../../test/support/tiny-generators.ts";
import { tinyVocab, writeTinyModel } from "../../test/support/tiny-model.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { createStepApi } from "../train/step-api.ts";
import type { ConfigJson } from "./config.ts";
import { flamingoConfigOf, writeFlamingoParts } from "./flamingo-parts.ts";
import { encodeModel } from "./open.ts";

const folder = useTemporaryFolder();
const tower = { hidden_size: 16, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2 };
const clip = {
  architectures: ["CLIPModel"],
  model_type: "clip",
  projection_dim: 8,
  text_config: { ...tower, vocab_size: 30, max_position_embeddings: 6, initializer_range: 0.3 },
  vision_config: { ...tower, image_size: 8, patch_size: 4 },
};
const whole = join(folder, "flamingo");
let config: ConfigJson;

const partAt = (name: string, json: ConfigJson) => ({ folder: join(folder, name), config: json });

/** Writes both parts, a Flamingo over them, and what lies between them drawn. */
beforeAll(async () => {
  const parts = { vision: partAt("clip", clip), language: partAt("gpt2", tinyGpt2) };
  await writeTinyModel(parts.vision.folder, clip);
  await writeTinyModel(parts.language.folder, tinyGpt2);
  const small = { depth: 1, heads: 2, dim_head: 4, num_latents: 3 };
  const { perceiver, ...fields } = flamingoConfigOf(parts);
  config = { ...fields, perceiver: { ...(perceiver as object), ...small } };
  for (const name of ["parts", "flamingo"]) mkdirSync(join(folder, name));
  await writeFlamingoParts(join(folder, "parts"), config, parts);
  const api = await createStepApi({ config, weightsFolder: join(folder, "parts"), options: { threads: 1 } });
  expect(api.drawn().every((name) => /^perceiver\.|gated_cross_attn_layer\./.test(name))).toBe(true);
  await api.saveModel(whole, "float32");
  writeFileSync(join(whole, "config.json"), JSON.stringify(config));
});

async function outputsOf(
  name: string,
  capture: readonly string[],
  feeds: Record<string, Tensor>,
): Promise<Record<string, Tensor>> {
  const source = await encodeModel(join(folder, name), { capture });
  const session = await OrtSession.open({ ...source, name }, { threads: 1 });
  try {
    return await session.run(Object.fromEntries(session.inputs.map(({ name: at }) => [at, feeds[at]!])));
  } finally {
    await session.release();
  }
}

const random = new Random(5);
const normal = (...shape: number[]): Tensor =>
  Tensor.from(
    "float32",
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
  );
const row = (...ids: number[]): Tensor => Tensor.from("int64", [1, ids.length], ids);

describe("a Flamingo made of a CLIP and a GPT-2", () => {
  test("sees with the CLIP's image tower and, before it has learned, writes as the GPT-2", async () => {
    const pixels = normal(1, 3, 8, 8);
    const ids = row(7, 12, 25, 9);
    const mask = row(1, 1, 1, 1);
    const feeds = { input_ids: ids, attention_mask: mask };
    const seen = await outputsOf("flamingo", ["vision.hidden_states.2"], {
      ...feeds,
      pixel_values: pixels.reshape([1, 1, 1, 3, 8, 8]),
    });
    const own = await outputsOf("clip", ["vision_model_output.hidden_states.2"], {
      pixel_values: pixels,
      ...feeds,
    });
    const words = await outputsOf("gpt2", [], feeds);
    expectNear(seen["vision.hidden_states.2"]!, own["vision_model_output.hidden_states.2"]!.toNumbers());
    const logits = seen.logits!.toNumbers();
    const width = tinyVocab.length + 1;
    expectNear(
      words.logits!,
      logits.filter((_, at) => at % width !== tinyVocab.length),
    );
    for (let token = 0; token < ids.size; token++) {
      const scores = logits.slice(token * width, (token + 1) * width);
      const mean = scores.slice(0, -1).reduce((a, b) => a + b) / tinyVocab.length;
      expect(scores.at(-1)).toBeCloseTo(mean, 4); // the image token is never the likeliest
    }
  });

  test("refuses parts that it cannot be made of", () => {
    const [vision, language] = [partAt("clip", clip), partAt("gpt2", tinyGpt2)];
    const narrow = { ...clip, vision_config: { ...clip.vision_config, intermediate_size: 32 } };
    expect(() => flamingoConfigOf({ vision: partAt("clip", narrow), language })).toThrow(
      /intermediate_size of 64.*got 32/,
    );
    expect(() => flamingoConfigOf({ vision, language: partAt("clip", clip) })).toThrow(/must be a GPT-2/);
    const endless = partAt("gpt2", { ...tinyGpt2, eos_token_id: undefined });
    expect(() => flamingoConfigOf({ vision, language: endless })).toThrow(/eos_token_id/);
  });
});

function expectNear({ data }: Tensor, expected: readonly number[]): void {
  expect(data.length).toBe(expected.length);
  for (const [at, value] of expected.entries()) expect(Number(data[at])).toBeCloseTo(value, 4);
}
