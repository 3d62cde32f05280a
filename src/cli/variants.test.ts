import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, writeTinyModel } from "../../test/support/tiny-model.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { HF_HUB_OFFLINE: "1" });

const names = ["john", "mary", "smith"];
const sentences = Array.from({ length: 24 }, (_, at) => {
  const [first, last] = [names[at % 3]!, names[(at + 1) % 3]!];
  return `the O\n${first} B-PER\n${last} I-PER\nlives O\nin O\n${at % 2 ? "london" : "paris"} B-LOC\n`;
});
const reviews = Array.from({ length: 32 }, (_, at) => {
  const word = at % 2 === 0 ? ["good", "great"][(at >> 1) % 2] : ["bad", "dull"][(at >> 1) % 2];
  return `the ${["film", "story"][(at >> 2) % 2]} was ${word},${at % 2 === 0 ? "pos" : "neg"}`;
});

beforeAll(async () => {
  await writeTinyModel(
    join(folder, "blank"),
    tinyConfig("BertForMaskedLM", { initializer_range: 0.1, num_hidden_layers: 4 }),
  );
  rmSync(join(folder, "blank", "model.safetensors"));
  writeFileSync(join(folder, "tags.conll"), sentences.join("\n"));
  writeFileSync(join(folder, "reviews.csv"), `text,label\n${reviews.join("\n")}\n`);
});

const common = ["train", "./blank", "--batch-size", "8", "--learning-rate", "3e-3", "--threads", "1"];

describe("train --crf", () => {
  test("stores a tagger that predicts and is evaluated by whole sentences", async () => {
    const flags = ["--task", "token-classification", "--data", "tags.conll", "--validation", "tags.conll"];
    const trained = await run([
      ...common,
      ...flags,
      "--crf",
      "--constraints",
      "bio",
      "--epochs",
      "12",
      "--name",
      "tags",
    ]);
    expect([trained.code, trained.stdout]).toEqual([0, expect.stringMatching(/^tags@1: .*f1 1,/)]);
    const info = JSON.parse((await run(["info", "tags", "--json"])).stdout);
    expect(info.architecture).toBe("BertCrfForTokenClassification");
    const predicted = JSON.parse(
      (await run(["predict", "tags", "mary smith lives in london", "--json"])).stdout,
    );
    expect(predicted[0].output.map(({ entity }: { entity: string }) => entity)).toEqual([
      "B-PER",
      "I-PER",
      "B-LOC",
    ]);
    const scored = JSON.parse((await run(["eval", "tags", "--data", "tags.conll", "--json"])).stdout);
    expect(scored.metrics).toMatchObject({ f1: 1, accuracy: 1 });
  });

  test("is refused for other tasks, and constraints are without it", async () => {
    const classes = ["--task", "text-classification", "--data", "reviews.csv"];
    const wrongTask = await run([...common, ...classes, "--crf"]);
    expect(wrongTask.stderr).toContain("bert: has no architecture for the task text-classification with crf");
    const alone = await run([...common, ...classes, "--constraints", "bio"]);
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringContaining("--constraints needs --crf")]);
  });
});

describe("train --early-exit", () => {
  test("stores a classifier that predict can make hasty", async () => {
    const flags = ["--task", "text-classification", "--data", "reviews.csv", "--validation", "reviews.csv"];
    const trained = await run([...common, ...flags, "--early-exit", "--epochs", "16", "--name", "moods"]);
    expect([trained.code, trained.stdout]).toEqual([0, expect.stringMatching(/^moods@1: .*accuracy 1/)]);
    const ask = ["predict", "moods", "the film was great", "the story was dull"];
    const [plain, full, hasty] = [[], ["--patience", "0"], ["--patience", "1"]].map((flag) =>
      run([...ask, ...flag]),
    );
    expect((await plain!).stdout).toMatch(/pos {2}the film.*\n.*neg {2}the story/);
    expect((await full!).stdout).toBe((await plain!).stdout);
    expect((await hasty!).stdout).not.toBe((await plain!).stdout); // young classifiers are less sure
    const scored = JSON.parse((await run(["eval", "moods", "--data", "reviews.csv", "--json"])).stdout);
    expect(scored.metrics.accuracy).toBe(1);
  });
});
