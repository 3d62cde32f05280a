import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { LocalGenerator, type Prompt } from "./generator.ts";

const folderOf = (name: string): string =>
  fileURLToPath(new URL(join("../../test/parity/fixtures", name), import.meta.url));

const random = new Random(2);
const normal = (...shape: number[]): Tensor =>
  Tensor.from(
    "float32",
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
  );

/** The answers to prompts that share batches, and to each by itself. */
async function bothWays(name: string, prompts: readonly Prompt[]): Promise<[number[][], number[][]]> {
  const generator = await LocalGenerator.open(folderOf(name));
  const options = { max_new_tokens: 6, num_beams: 2 };
  const ids = async (asked: readonly Prompt[]): Promise<number[][]> =>
    (await generator.generate(asked, options)).map(([best]) => [...best!.ids]);
  const together = await ids(prompts);
  const alone: number[][] = [];
  for (const prompt of prompts) alone.push(...(await ids([prompt])));
  await generator.release();
  return [together, alone];
}

describe("generation about images", () => {
  test("Flamingo's prompts with different numbers of images answer in one batch as alone", async () => {
    const prompts = [
      { ids: [47, 3, 9], source: { vision_features: normal(1, 1, 5, 20) } },
      { ids: [3, 47, 12, 47, 5, 47, 8], source: { vision_features: normal(3, 1, 5, 20) } },
      { ids: [47, 4, 47], source: { vision_features: normal(2, 1, 5, 20) } },
    ];
    const [together, alone] = await bothWays("flamingo-decoder", prompts);
    expect(together).toEqual(alone);
    expect(new Set(alone.map(String)).size).toBe(3);
  });

  test("captions and answers of a batch are those of each picture alone", async () => {
    const pictures = [normal(3, 24, 24), normal(3, 24, 24), normal(3, 24, 24)];
    const captions = await bothWays(
      "blip-captioning",
      pictures.map((pixel_values, at) => ({ source: { pixel_values }, ids: [5, 6, 7].slice(0, at + 1) })),
    );
    expect(captions[0]).toEqual(captions[1]);
    const answers = await bothWays(
      "blip-vqa",
      pictures.map((pixel_values, at) => ({
        source: { pixel_values, input_ids: Tensor.from("int64", [at + 2], [35, 9, 12, 3].slice(0, at + 2)) },
      })),
    );
    expect(answers[0]).toEqual(answers[1]);
  });

  test("BLIP ends at the separator of its text model, not at the end its config names", async () => {
    const generator = await LocalGenerator.open(folderOf("blip-captioning"));
    const { eos_token_id } = generator.defaults;
    await generator.release();
    expect(eos_token_id).toEqual([3]);
  });

  test("sources whose pictures have another size are refused", async () => {
    const generator = await LocalGenerator.open(folderOf("blip-captioning"));
    const prompts = [normal(3, 24, 24), normal(3, 24, 16)].map((pixel_values) => ({
      source: { pixel_values },
    }));
    await expect(generator.generate(prompts)).rejects.toThrow(/agree in the shape of "pixel_values"/);
    await generator.release();
  });
});
