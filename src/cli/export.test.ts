import { readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyVit, writeTinyImageModel } from "../../test/support/tiny-images.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { TESSERAE_CPU_WATTS: "50" });
const json = async (...args: string[]) => JSON.parse((await run([...args, "--json"])).stdout);

beforeAll(async () => {
  const labels = withLabels("bad", "good");
  await writeTinyModel(join(folder, "reviews"), tinyConfig("BertForSequenceClassification", labels));
  await writeTinyImageModel(join(folder, "vit"), { ...tinyVit, ...labels });
});

describe("export", () => {
  test("writes a folder and lists its files", async () => {
    const { stdout, code } = await run(
      "export ./reviews --format transformers.js --precision fp32,fp16 --out web".split(" "),
    );
    expect(code).toBe(0);
    const files = [
      "config.json",
      "onnx/model.onnx",
      "onnx/model_fp16.onnx",
      "tokenizer.json",
      "tokenizer_config.json",
    ];
    for (const file of files) expect(stdout).toContain(file);
    expect(readdirSync(join(folder, "web")).sort()).toEqual(["config.json", "onnx", ...files.slice(3)]);
  });

  test("names a model for Triton by its own name, or by another", async () => {
    const { files } = await json(..."export ./reviews --format triton --out triton".split(" "));
    expect(Object.keys(files)).toEqual(["reviews/1/model.onnx", "reviews/config.pbtxt"]);
    const { files: renamed } = await json(
      ..."export ./reviews --format triton --out other --name stars".split(" "),
    );
    expect(Object.keys(renamed)[0]).toBe("stars/1/model.onnx");
  });

  test("says what a precision may be", async () => {
    const { code, stderr } = await run("export ./reviews --format onnx --precision int3 --out x".split(" "));
    expect([code, stderr]).toEqual([2, expect.stringContaining("fp32, fp16, q8, q4")]);
  });
});

describe("info", () => {
  test("tells operations and activations for a batch, and measures time and energy when asked", async () => {
    const [one, two] = [
      await json("info", "./reviews"),
      await json(..."info ./reviews --batch 2 --measure".split(" ")),
    ];
    expect(one.cost).toMatchObject({ batch: 1, length: 64 });
    expect(two.cost.flops).toBe(2 * one.cost.flops);
    expect(one.cost.activationBytes).toBeGreaterThan(64 * 32 * 4);
    expect(one.cost.measured).toBeUndefined();
    const { p50Ms, joules, energySource } = two.cost.measured;
    expect(["rapl", "configured"]).toContain(energySource);
    expect(joules).toBeGreaterThan(0);
    expect(p50Ms).toBeGreaterThan(0);
  });
});

describe("devices", () => {
  test("pictures are timed too, and fp16 graphs run on a CPU", async () => {
    const { stdout, code } = await run("bench ./vit --batch 1,2 --runs 2 --precision fp16".split(" "));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^batch +p50 ms +p95 ms +pictures\/s\n +1 .*\n +2 /);
  });

  test("a device that does not work here is an error, not a fall-back", async ({ skip }) => {
    const { checks } = await json("doctor");
    const cuda = checks.find(({ name }: { name: string }) => name === "provider cuda");
    if (!cuda.problem) return skip("CUDA works here");
    const { code, stdout, stderr } = await run("predict ./reviews a --device cuda".split(" "));
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/provider cuda: .*install/);
  });
});
