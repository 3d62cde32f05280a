/** Models on other devices than the CPU. WebGPU runs without a graphics card on Chromium's software Vulkan. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyGpt2 } from "../../test/support/tiny-generators.ts";
import { tinyVit, writeTinyImageModel } from "../../test/support/tiny-images.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { LocalGenerator } from "../generation/generator.ts";
import { openHere } from "../runtime/open-here.ts";
import { problemOf } from "../runtime/providers.ts";
import type { Session, SessionOptions } from "../runtime/session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { openImageModel, openModel } from "./open.ts";

const softwareVulkan = "/usr/lib/chromium/vk_swiftshader_icd.json";
if (existsSync(softwareVulkan)) process.env.VK_DRIVER_FILES ??= softwareVulkan;

const folder = useTemporaryFolder();
const at = (name: string): string => join(folder, name);
const labels = withLabels("bad", "fine", "good");

beforeAll(async () => {
  await writeTinyModel(at("bert"), tinyConfig("BertForSequenceClassification", labels));
  await writeTinyModel(at("gpt2"), tinyGpt2);
  await writeTinyImageModel(at("vit"), { ...tinyVit, ...labels });
});

const rows = (values: readonly (readonly number[])[]): Tensor =>
  Tensor.from("int64", [values.length, values[0]!.length], values.flat());
const texts = {
  input_ids: rows([
    [2, 7, 20, 9, 3],
    [2, 31, 3, 0, 0],
  ]),
  attention_mask: rows([
    [1, 1, 1, 1, 1],
    [1, 1, 1, 0, 0],
  ]),
  token_type_ids: rows([
    [0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0],
  ]),
};
const pixels = {
  pixel_values: Tensor.from(
    "float32",
    [2, 3, 16, 16],
    Array.from({ length: 1536 }, (_, index) => Math.sin(index)),
  ),
};

async function logits(name: "bert" | "vit", options: SessionOptions): Promise<number[]> {
  const { session } = await (name === "vit" ? openImageModel : openModel)(
    at(name),
    { threads: 1, ...options },
    openHere,
  );
  const { logits } = await run(session, name === "vit" ? pixels : texts);
  expect(session.provider).toBe(options.provider ?? "cpu");
  return logits!.toNumbers();
}

async function run(session: Session, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** Tokens that the GPT-2 continues a prompt with. */
async function ids(options: SessionOptions): Promise<readonly number[]> {
  const generator = await LocalGenerator.open(at("gpt2"), { threads: 1, ...options });
  const settings = { max_new_tokens: 12, eos_token_id: [], num_beams: 1 };
  const [[best] = []] = await generator.generate([{ ids: [7, 21, 40, 12] }], settings);
  await generator.release();
  return best!.ids;
}

/** Largest difference as a share of the largest magnitude. */
const difference = (actual: readonly number[], expected: readonly number[]): number =>
  Math.max(...actual.map((value, index) => Math.abs(value - expected[index]!))) /
  Math.max(...expected.map(Math.abs));

describe("float16", () => {
  test.each(["bert", "vit"] as const)("%s answers nearly as in float32", async (name) => {
    const [half, single] = [await logits(name, { precision: "fp16" }), await logits(name, {})];
    expect(half).not.toEqual(single);
    expect(difference(half, single)).toBeLessThan(0.01);
  });

  test("a decoder begins with the same tokens", async () => {
    const [half, single] = [await ids({ precision: "fp16" }), await ids({})];
    expect(half.slice(0, 4)).toEqual(single.slice(0, 4));
  });
});

describe("WebGPU", () => {
  const webgpu = { provider: "webgpu", forceProvider: true } as const;

  test("a BERT answers as on the CPU", async ({ skip }) => {
    const problem = await problemOf("webgpu");
    if (problem !== undefined) return skip(problem);
    const expected = await logits("bert", {});
    expect(difference(await logits("bert", webgpu), expected)).toBeLessThan(1e-4);
  });

  test("a decoder gives the CPU's ids", async ({ skip }) => {
    const problem = await problemOf("webgpu");
    if (problem !== undefined) return skip(problem);
    expect(await ids(webgpu)).toEqual(await ids({}));
  });
});

test("a device that is asked for and does not work is an error that says what to install", async ({
  skip,
}) => {
  if ((await problemOf("cuda")) === undefined) return skip("CUDA works here");
  const opened = openModel(at("bert"), { provider: "cuda", forceProvider: true }, openHere);
  await expect(opened).rejects.toThrow(/provider cuda: .*install/);
});
