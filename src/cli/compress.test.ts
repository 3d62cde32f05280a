import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyVit, writeTinyImageModel, writeTinyImages } from "../../test/support/tiny-images.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { cliIn, ended } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run, start } = cliIn(folder, { HF_HUB_OFFLINE: "1" });

const words = ["good", "bad", "great", "dull"];
const rows = Array.from({ length: 32 }, (_, at) => `the film was ${words[at % 4]},${["yes", "no"][at % 2]}`);

beforeAll(async () => {
  for (const name of ["train.csv", "dev.csv"])
    writeFileSync(join(folder, name), `text,label\n${rows.join("\n")}\n`);
  const wide = { hidden_size: 128, intermediate_size: 256, num_hidden_layers: 4 };
  const config = tinyConfig("BertForSequenceClassification", { ...wide, ...withLabels("no", "yes") });
  await writeTinyModel(join(folder, "teacher"), config);
});

const data = ["--data", "train.csv", "--validation", "dev.csv", "--max-length", "16", "--threads", "1"];
const small = ["--kinds", "dynamic", "--layers", "1,2", "--epochs", "2", "--batch-size", "16"];
const records = (output: string): string[] => readdirSync(join(folder, output, "trials")).sort();

describe("tesserae compress", () => {
  test("finds, stores and reports, and a second run repeats no trial", async () => {
    const args = ["compress", "./teacher", ...data, ...small, "--max-drop", "100", "--name", "small"];
    const first = await run([...args, "--json"]);
    expect(first.stderr).toContain("cut after 1 epochs");
    const made = JSON.parse(first.stdout);
    expect([first.code, made.isMet]).toEqual([0, true]);
    expect(made.ref).toMatch(/^small@1/);
    expect(made.chosen.figures.latencyMs).toBeLessThan(made.chosen.figures.teacherLatencyMs);
    const known = records("runs/small");
    const again = await run(args);
    expect(again.stderr).not.toMatch(/training|small.*measuring|dynamic: measuring/);
    expect(again.stdout).toContain(`stored as ${made.ref}`);
    expect(records("runs/small")).toEqual(known);
    const page = readFileSync(join(folder, "runs/small/report.html"), "utf8");
    expect(page).toContain(`stored as ${made.ref}`);
    expect(page).not.toMatch(/(src|href)=/);
    const info = JSON.parse((await run(["info", made.ref, "--json"])).stdout);
    expect(JSON.stringify(info)).toContain("points_lost_high");
  }, 120_000);

  test("ends with 1 and the best found where the contract cannot be met, and stores nothing", async () => {
    const args = ["compress", "./teacher", ...data, "--kinds", "dynamic", "--layers", "0", "--name", "none"];
    const { code, stdout } = await run([...args, "--target-size", "1kB"]);
    expect([code, stdout]).toEqual([1, expect.stringContaining("nothing meets the contract")]);
    expect(existsSync(join(folder, "home/models/none"))).toBe(false);
    expect(readFileSync(join(folder, "runs/none/report.html"), "utf8")).toContain("Nothing meets");
  }, 60_000);

  test("goes on after a kill where it was", async () => {
    const args = ["compress", "./teacher", ...data, ...small, "--max-drop", "100", "--name", "killed"];
    const child = start(args);
    await new Promise<void>((resolve) => {
      child.stderr!.on("data", (text) => String(text).includes("layers 1: training") && resolve());
    });
    child.kill("SIGKILL");
    await ended(child);
    const known = records("runs/killed");
    expect(known.length).toBeGreaterThan(0);
    const { code, stderr } = await run(args);
    expect(code).toBe(0);
    expect(records("runs/killed")).toEqual(expect.arrayContaining(known));
    expect(stderr).not.toContain("teacher, dynamic: measuring");
  }, 120_000);

  test("refuses a folder in which another process searches, and lets another folder be", async () => {
    const args = [
      "compress",
      "./teacher",
      ...data,
      "--kinds",
      "dynamic",
      "--layers",
      "0",
      "--max-drop",
      "100",
    ];
    const [one, two, other] = await Promise.all([
      run([...args, "--output", "runs/same"]),
      run([...args, "--output", "runs/same"]),
      run([...args, "--output", "runs/other", "--name", "other"]),
    ]);
    expect(`${one.stderr}${two.stderr}`).toMatch(/process \d+ searches in .*runs\/same/);
    expect(other.stderr).not.toContain("searches in");
    expect(records("runs/other")).toHaveLength(1);
  }, 120_000);

  test("teaches students of pictures that read larger patches", async () => {
    await writeTinyImages(join(folder, "photos"), 6);
    const names = readdirSync(join(folder, "photos")).sort();
    const config = { ...tinyVit, hidden_size: 64, intermediate_size: 128, ...withLabels(...names) };
    await writeTinyImageModel(join(folder, "vit"), config);
    const photos = ["--data", "photos", "--validation", "photos", "--threads", "1", "--teacher-copies", "1"];
    const student = ["--layers", "1", "--widths", "32", "--set", "patch_size=8", "--epochs", "1"];
    const flags = [...photos, ...student, "--kinds", "dynamic", "--max-drop", "100", "--name", "fast"];
    const { code, stdout } = await run(["compress", "./vit", ...flags, "--json"]);
    const { trials, isMet } = JSON.parse(stdout);
    expect([code, isMet]).toEqual([0, true]);
    expect(trials.map(({ name }: { name: string }) => name)).toContain("layers 1, width 32");
  }, 60_000);

  test("tries every patience of a model with classifiers on its layers", async () => {
    const layers = { num_hidden_layers: 3, ...withLabels("no", "yes") };
    const config = tinyConfig("BertForSequenceClassificationWithPabee", layers);
    await writeTinyModel(join(folder, "pabee"), config);
    const flags = ["--layers", "0", "--kinds", "dynamic", "--max-drop", "100", "--name", "early"];
    const { stdout } = await run(["compress", "./pabee", ...data, ...flags, "--json"]);
    const { trials } = JSON.parse(stdout);
    const exits = trials.filter(({ variant }: { variant?: string }) => variant?.startsWith("exit-"));
    expect(exits.map(({ variant }: { variant: string }) => variant)).toEqual(["exit-1", "exit-2"]);
    for (const { figures } of exits) expect(figures.accuracy).toBeGreaterThanOrEqual(0);
  }, 60_000);

  test("says what is missing", async () => {
    const { code, stderr } = await run(["compress", "./teacher", "--data", "train.csv"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("--validation must be given")]);
    expect((await run(["compress", "./teacher", "--target-size", "much"])).stderr).toContain("such as 5MB");
  });
});
