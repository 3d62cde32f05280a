import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { ModelStore } from "../store/store.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { HF_HUB_OFFLINE: "1" });

beforeAll(async () => {
  const extra = { ...withLabels("no", "yes"), hidden_size: 64, intermediate_size: 128 };
  await writeTinyModel(join(folder, "tiny"), tinyConfig("BertForSequenceClassification", extra));
  const rows = ["good film,yes", "bad film,no", "the story was dull,no", "a great book,yes"];
  writeFileSync(join(folder, "data.csv"), `text,label\n${rows.join("\n")}\n`);
  await new ModelStore(join(folder, "home")).add("tiny", join(folder, "tiny"), {
    task: "text-classification",
  });
});

const json = async (...args: string[]) => {
  const { stdout, stderr } = await run([...args, "--json"]);
  expect(stderr).not.toContain("error");
  return JSON.parse(stdout);
};

describe("tesserae quantize", () => {
  test("stores a variant that is listed, described, evaluated, asked and removed by its reference", async () => {
    const made = await json("quantize", "tiny", "--data", "data.csv", "--threads", "1");
    expect(made).toMatchObject({ ref: "tiny@1:int8", metric: "accuracy", keptFloat: [] });
    expect(made.measured.size_ratio).toBeGreaterThan(2);
    const listed = (await json("list")).find(({ ref }: { ref: string }) => ref === "tiny@1");
    expect(listed.variants).toMatchObject([{ name: "int8", kind: "dynamic-int8" }]);
    expect((await run(["list"])).stdout).toMatch(/\n {2}:int8 +dynamic-int8/);
    expect(await json("info", "tiny@int8")).toMatchObject({
      ref: "tiny@1:int8",
      variants: [{ name: "int8" }],
    });
    const evaluated = await json("eval", "tiny@int8", "--data", "data.csv", "--threads", "1");
    expect(evaluated.metrics.accuracy).toBe(made.after.accuracy);
    const [int8] = await json("predict", "tiny@1:int8", "a good story", "--threads", "1");
    const [float] = await json("predict", "tiny", "a good story", "--threads", "1");
    expect(int8.output).not.toEqual(float.output);
    expect((await run(["rm", "tiny@1:int8"])).stdout).toContain("removed tiny@1:int8");
    expect((await run(["predict", "tiny@int8", "a"])).stderr).toContain('no variant "int8"');
  });

  test("of a folder is asked by the folder's path", async () => {
    const flags = ["--data", "data.csv", "--kind", "static", "--calibration", "data.csv", "--threads", "1"];
    const { stdout, stderr } = await run(["quantize", "./tiny", ...flags]);
    expect(stderr).toContain("weights of 7 bits, whose sums are the same on every CPU");
    expect(stdout).toContain("./tiny@int8-static");
    const [answer] = await json("predict", "./tiny@int8-static", "a good story", "--threads", "1");
    expect(answer.output).toBeDefined();
  });

  test("refuses a kind there is none of, and data that are not there", async () => {
    expect((await run(["quantize", "tiny", "--data", "data.csv", "--kind", "int2"])).code).toBe(2);
    const { code, stderr } = await run(["quantize", "tiny", "--data", "none.csv"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("none.csv")]);
  });
});
