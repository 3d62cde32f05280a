import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, writeTinyModel } from "../../test/support/tiny-model.ts";
import { cliIn, ended } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run, start } = cliIn(folder, { HF_HUB_OFFLINE: "1" });

const words = { good: ["good", "great", "fine"], bad: ["bad", "dull", "poor"] };
const rows = Array.from({ length: 48 }, (_, at) => {
  const label = at % 2 === 0 ? "good" : "bad";
  return `the ${["film", "movie", "story", "actor"][(at >> 1) % 4]} was ${words[label][at % 3]},${label}`;
});

beforeAll(async () => {
  // A folder with config.json and vocabulary but no weights starts from random ones.
  await writeTinyModel(join(folder, "blank"), tinyConfig("BertForMaskedLM", { initializer_range: 0.1 }));
  rmSync(join(folder, "blank", "model.safetensors"));
  writeFileSync(join(folder, "train.csv"), `text,label\n${rows.join("\n")}\n,good\n`);
});

const flags = ["--task", "text-classification", "--data", "train.csv", "--batch-size", "8"];

describe("train", () => {
  test("learns, stores the best version, and eval and predict use it", async () => {
    const train = ["train", "./blank", ...flags, "--epochs", "12", "--learning-rate", "3e-3"];
    const { code, stdout, stderr } = await run([...train, "--name", "moods"]);
    expect(stderr).toContain("left out train.csv:50: text must be a text");
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^moods@1: loss .*accuracy 1.*report\.html\n$/),
    ]);
    const predicted = await run(["predict", "moods", "the film was great", "the movie was poor"]);
    expect(predicted.stdout).toMatch(/good {2}the film.*\n.*bad {2}the movie/);
    const scored = JSON.parse((await run(["eval", "moods", "--data", "train.csv", "--json"])).stdout);
    expect(scored).toMatchObject({ model: "moods@1", items: 48, metrics: { accuracy: 1 } });
    const { lineage, metrics } = JSON.parse((await run(["info", "moods", "--json"])).stdout);
    expect(metrics.accuracy).toBe(1);
    expect(lineage).toMatchObject({
      parent: "blank",
      command: expect.stringContaining("--epochs 12"),
      config: { epochs: 12, learningRate: 0.003 },
      data: { "train.csv": expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
  });

  test("takes everything from a YAML file, flags going first", async () => {
    const yaml = `model: ./blank
task: text-classification
data: train.csv
epochs: 5
batch_size: 8
set:
  hidden_dropout_prob: 0.25
name: from-file
`;
    writeFileSync(join(folder, "run.yaml"), yaml);
    const { stdout } = await run(["train", "--config", "run.yaml", "--epochs", "1", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ ref: "from-file@1", end: "finished", steps: 6 });
    const config = readFileSync(join(folder, "home/models/from-file/1/config.json"), "utf8");
    expect(JSON.parse(config)).toMatchObject({
      hidden_dropout_prob: 0.25,
      id2label: { 0: "bad", 1: "good" },
    });
  });

  test.each([
    ["an unknown key", "epoch: 1", 'there is no option "epoch"; did you mean "epochs"?'],
    ["a refused value", "epochs: none", "epochs: It must be a whole number from 1."],
    ["a refused switch", "strict: maybe", 'strict: must be true or false, got "maybe"'],
    ["broken YAML", "a: [", "cannot be read as YAML"],
  ])("refuses a YAML file with %s", async (_, content, message) => {
    writeFileSync(join(folder, "bad.yaml"), content);
    const { code, stderr } = await run(["train", "--config", "bad.yaml"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  test("stops at the first bad row with --strict", async () => {
    const { code, stderr } = await run(["train", "./blank", ...flags, "--strict"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("error: train.csv:50: text must be a text")]);
  });

  test("refuses an output folder with a run unless --resume is given", async () => {
    const train = ["train", "./blank", ...flags, "--epochs", "1", "--output", "twice", "--name", "twice"];
    expect((await run(train)).code).toBe(0);
    expect(await run(train)).toMatchObject({ code: 2, stderr: expect.stringContaining("resume it") });
    expect((await run([...train, "--resume"])).code).toBe(0);
  });

  test("stops at Ctrl-C, says how to go on, and resumes to the weights of an uninterrupted run", async () => {
    const long = ["train", "./blank", ...flags, "--epochs", "20", "--evaluate-every", "1000", "--name"];
    const child = start([...long, "stopped"]);
    child.stderr!.on("data", (text) => {
      if (String(text).includes("steps  ")) child.kill("SIGINT");
    });
    const stopped = await ended(child);
    expect(stopped.code).toBe(1);
    const [, command] = /go on with: tesserae (.+)/.exec(stopped.stdout)!;
    expect(command).toContain("--epochs 20");
    const resumed = await run(command!.split(" "));
    expect(resumed.stderr).toContain("resumed after step");
    const whole = JSON.parse((await run([...long, "whole", "--json"])).stdout);
    const { files } = JSON.parse(readFileSync(join(folder, "home/models/stopped/1/manifest.json"), "utf8"));
    const other = JSON.parse(readFileSync(join(whole.folder, "manifest.json"), "utf8"));
    expect(files["model.safetensors"]).toEqual(other.files["model.safetensors"]);
  });
});
