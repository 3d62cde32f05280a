import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { HF_HUB_OFFLINE: "1" });

const rows = Array.from({ length: 16 }, (_, at) => `the film was ${["good", "bad"][at % 2]},${at % 2}`);
const flags = ["--task", "text-classification", "--data", "train.csv", "--max-length", "16", "--epochs", "1"];

beforeAll(async () => {
  writeFileSync(join(folder, "train.csv"), `text,label\n${rows.join("\n")}\n`);
  writeFileSync(join(folder, "lines.txt"), "the movie was great\nwhat a dull story\n");
  const config = tinyConfig("BertForSequenceClassification", withLabels("no", "yes"));
  await writeTinyModel(join(folder, "teacher"), config);
});

describe("train --teacher", () => {
  test("stores a student of the teacher's layers, with its classes and origin", async () => {
    const transfer = ["--transfer-data", "lines.txt", "--distil", "temperature=3"];
    const { code, stdout, stderr } = await run([
      "train",
      ...["--teacher", "./teacher", "--layers", "1"],
      ...[...flags, ...transfer, "--json"],
    ]);
    expect(stderr).toContain("teacher 100 %  16/16 items"); // 14 rows, the others are held out, and 2 lines
    expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ ref: "teacher-layers-1@1" })]);
    const info = JSON.parse((await run(["info", "teacher-layers-1", "--json"])).stdout);
    expect(info).toMatchObject({
      labels: ["no", "yes"],
      lineage: { parent: "teacher", config: { teacher: "./teacher", distil: { temperature: 3 } } },
    });
    expect(existsSync(join(folder, "home/cache/teachers"))).toBe(true);
  });

  test("gives a named size the teacher's tokenizer", async () => {
    const sizes = ["--set", "hidden_size=16", "--set", "num_attention_heads=2", "--set", "n_layers=1"];
    const named = ["train", "bert-tiny", "--teacher", "./teacher", ...flags, ...sizes, "--name", "named"];
    expect((await run([...named, "--json"])).code).toBe(0);
    const predicted = await run(["predict", "named", "the film was good"]);
    expect(predicted.stdout).toMatch(/yes|no/);
  });

  test.each([
    ["layers without a teacher", ["./teacher", "--layers", "1"], "--layers needs --teacher"],
    [
      "a model and layers",
      ["./teacher", "--teacher", "./teacher", "--layers", "1"],
      "a model or --layers, not both",
    ],
    [
      "neither model nor layers",
      ["--teacher", "./teacher"],
      "name a model to start from, or --teacher and --layers",
    ],
    ["more layers than there are", ["--teacher", "./teacher", "--layers", "9"], "has 2 layers"],
    [
      "a number of lines of nothing",
      ["--teacher", "./teacher", "--layers", "1", "--transfer-count", "3"],
      "needs --transfer-data",
    ],
  ])("refuses %s", async (_, args, message) => {
    const { code, stderr } = await run(["train", ...args, ...flags]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});
