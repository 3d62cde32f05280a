import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyMae, tinyVit, writeTinyImageModel, writeTinyImages } from "../../test/support/tiny-images.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { HF_HUB_OFFLINE: "1" });

beforeAll(async () => {
  await writeTinyImages(join(folder, "photos"), 8);
  await writeTinyImageModel(join(folder, "mae"), tinyMae);
  const { architectures: _, ...fields } = tinyVit;
  const lines = Object.entries(fields).map(([name, value]) => `  ${name}: ${value}`);
  const yaml = `model: vit-small-patch16-224
task: image-classification
data: photos
validation: photos
name: colours
set:
${lines.join("\n")}
augment:
  shift: 1
  flip: 0.5
epochs: 14
batch-size: 8
learning-rate: 1e-2
ema-decay: 0.5
threads: 1
`;
  writeFileSync(join(folder, "run.yaml"), yaml);
});

describe("pictures", () => {
  test("a model is trained by a file, measured, asked about a folder and explained", async () => {
    const trained = await run(["train", "--config", "run.yaml"]);
    expect([trained.code, trained.stdout]).toEqual([0, expect.stringMatching(/^colours@1: loss .*accuracy/)]);
    const scored = JSON.parse((await run(["eval", "colours", "--data", "photos", "--json"])).stdout);
    expect(scored).toMatchObject({ model: "colours@1", task: "image-classification", items: 24 });
    expect(scored.metrics.accuracy).toBeGreaterThan(0.8);
    expect(scored.classes.map(({ count }: { count: number }) => count)).toEqual([8, 8, 8]);
    expect(scored.confusion.flat().reduce((sum: number, items: number) => sum + items)).toBe(24);
    expect(readFileSync(join(folder, "runs/colours/report.html"), "utf8")).toContain('class="confusion"');
    const { stdout } = await run(["predict", "colours", "photos/red", "photos/blue/000.png", "--top-k", "1"]);
    expect(stdout.match(/^[\d.]+ red {2}photos.red/gm)!.length).toBeGreaterThan(5);
    expect(stdout.trim().split("\n")).toHaveLength(9);
    const { labels } = JSON.parse((await run(["info", "colours", "--json"])).stdout);
    expect(labels).toEqual(["blue", "green", "red"]);
    const explained = await run(["explain", "colours", "photos/red/000.png", "--out", "red.html"]);
    expect(explained.stdout).toMatch(/^red {2}0\.\d{4} {2}score/);
    expect(readFileSync(join(folder, "red.html"), "utf8")).toContain("Rollout");
  });

  test("a classifier with an exit after every layer is trained and answers by its patience", async () => {
    const flags = ["--early-exit", "--name", "hasty", "--set", "pabee_patience=1", "--epochs", "14"];
    const trained = await run(["train", "--config", "run.yaml", ...flags]);
    expect([trained.code, trained.stdout]).toEqual([0, expect.stringMatching(/^hasty@1: loss .*accuracy/)]);
    const config = JSON.parse(readFileSync(join(folder, "runs/hasty/best/config.json"), "utf8"));
    expect(config).toMatchObject({ pabee_patience: 1, hidden_size: 16 }); // the flag's field beside the file's
    const { metrics } = JSON.parse((await run(["eval", "hasty", "--data", "photos", "--json"])).stdout);
    expect(metrics.accuracy).toBeGreaterThan(0.8);
    const alone = await run(["predict", "hasty", "photos/red/000.png", "--json"]);
    const together = await run(["predict", "hasty", "photos/red", "--json"]);
    const [first] = JSON.parse(alone.stdout);
    expect(JSON.parse(together.stdout)[0].output[0].label).toBe(first.output[0].label);
    const both = await run(["train", "--config", "run.yaml", "--early-exit", "--teacher", "colours"]);
    expect([both.code, both.stderr]).toEqual([2, expect.stringMatching(/leave out --teacher/)]);
  });

  test("a masked autoencoder's picture is written to a folder", async () => {
    const answer = await run(["predict", "./mae", "photos/red/000.png", "--out", "painted", "--json"]);
    const [{ output }] = JSON.parse(answer.stdout);
    expect(output.file).toBe(join("painted", "000-reconstructed.png"));
    expect((await sharp(join(folder, output.file)).metadata()).format).toBe("png");
    expect(existsSync(join(folder, "000-reconstructed.png"))).toBe(false);
  });

  test.each([
    ["a flag that is for texts", ["--max-length", "64"], /--max-length is not for image-classification/],
    ["an unknown change", ["--augment", "turn=1"], /augment.*turn/s],
    ["a share above 1", ["--train-share", "2"], /above 0, at most 1/],
  ])("training refuses %s", async (_, flags, message) => {
    const { code, stderr } = await run(["train", "--config", "run.yaml", "--name", "other", ...flags]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  test("training on texts refuses flags that are for pictures, and asking needs pictures", async () => {
    const text = [
      "train",
      "./mae",
      "--task",
      "text-classification",
      "--data",
      "a.csv",
      "--augment",
      "flip=1",
    ];
    expect((await run(text)).stderr).toContain("--augment is not for text-classification");
    expect((await run(["predict", "./mae"])).stderr).toContain("give pictures");
  });
});
