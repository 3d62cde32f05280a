import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyTokenizer } from "../../test/support/tiny-model.ts";
import { tinyTranslator } from "../../test/support/tiny-translator.ts";
import { Random } from "../tensor/random.ts";
import { createStepApi } from "../train/step-api.ts";
import { pipeline } from "./pipeline.ts";
import { prepare, prepareEvaluation } from "./tasks.ts";

const folder = useTemporaryFolder();
const model = join(folder, "model");
const pairs = [
  ["the film is good.", "a movie was great"],
  ["who lives in london?", "john smith"],
  ["one two three", "four five"],
  ["the river is green", "blue and red, not green"],
] as const;
const data = join(folder, "pairs.tsv");
const config = tinyTranslator({
  dropout: 0,
  label_smoothing: 0,
  initializer_range: null,
  num_beams: 2,
  max_length: 20,
});

/** A model that has learned the pairs by heart. */
beforeAll(async () => {
  writeFileSync(data, ["source\ttarget", ...pairs.map((pair) => pair.join("\t"))].join("\n"));
  const tokenizer = tinyTokenizer();
  const { train } = await prepare("translation", { trainPath: data, validationPath: data }, tokenizer);
  const api = await createStepApi({ config, options: { seed: 1 } });
  const batch = train.collate([0, 1, 2, 3], 16, new Random(1));
  for (let step = 1; step <= 150; step++) await api.step([batch], step, 1e-2);
  mkdirSync(model);
  await api.saveModel(model, "float32");
  await tokenizer.save(model);
  writeFileSync(join(model, "config.json"), JSON.stringify(config));
}, 60_000);

describe("translation", () => {
  test("gives back what was learned, alone and in a batch", async () => {
    const translate = await pipeline("translation", model);
    try {
      const [first] = pairs;
      expect(await translate(first[0])).toEqual([{ translation_text: first[1] }]);
      expect(await translate(pairs.map(([source]) => source))).toEqual(
        pairs.map(([, target]) => ({ translation_text: target })),
      );
      const several = await translate([first[0]], { num_return_sequences: 2 });
      expect(several).toHaveLength(1);
      expect(several[0]).toHaveLength(2);
      await expect(translate("the film", { num_beans: 2 } as object)).rejects.toThrow(/num_beans/);
    } finally {
      await translate.dispose();
    }
  });

  test("evaluation scores the translations by BLEU", async () => {
    const prepared = await prepareEvaluation("translation", data, config, tinyTokenizer());
    expect((await prepared.answerMetrics(model)).bleu).toBeGreaterThan(80);
  });
});

describe("translation data", () => {
  test("pads source and target apart, and ends targets with the end token", async () => {
    const tokenizer = tinyTokenizer();
    const { train } = await prepare("translation", { trainPath: data, validationPath: data }, tokenizer);
    const { input_ids, attention_mask, labels } = train.collate([0, 2], 64, new Random(1));
    expect(input_ids!.shape).toEqual([2, 8]);
    expect(attention_mask!.toNumbers().slice(8)).toEqual([1, 1, 1, 1, 1, 0, 0, 0]);
    const four = [tokenizer.tokenToId("four")!, tokenizer.tokenToId("five")!, tokenizer.sepId!];
    expect(labels!.toNumbers().slice(8)).toEqual([...four, -100, -100, -100, -100, -100]);
  });

  test("counts sentences that are cut", async () => {
    const long = join(folder, "long.tsv");
    writeFileSync(long, `source\ttarget\n${"the film ".repeat(20)}\tshort\n`);
    const { truncated, train } = await prepare(
      "translation",
      { trainPath: long, validationPath: data, maxLength: 16 },
      tinyTokenizer(),
    );
    expect(truncated).toBe(1);
    expect(train.lengths).toEqual([16]);
  });
});
