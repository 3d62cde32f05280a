import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { FakeHub } from "../../test/support/fake-hub.ts";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { HF_HUB_OFFLINE: "1" });

const reviews = join(folder, "reviews");
const questions = join(folder, "questions");

/** Runs with --json; the document on standard output. */
const json = async (...args: string[]) => JSON.parse((await run([...args, "--json"])).stdout);

beforeAll(async () => {
  const config = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
  await writeTinyModel(reviews, config);
  await writeTinyModel(questions, tinyConfig("BertForQuestionAnswering"));
  writeFileSync(join(reviews, "training.log"), "not part of the model");
});

describe("tesserae", () => {
  test("shows help with an example for every command", async () => {
    const { stdout, code } = await run(["--help"]);
    expect(code).toBe(0);
    const commands = [...stdout.matchAll(/^ {2}(\w+) \[options\]/gm)].map(([, name]) => name!);
    const names = [
      "pull",
      "train",
      "eval",
      "predict",
      "explain",
      "serve",
      "bench",
      "export",
      "info",
      "list",
      "rm",
      "parity",
    ];
    expect(commands).toEqual(expect.arrayContaining([...names, "doctor"]));
    const helps = await Promise.all(["train", "serve"].map((name) => run([name, "--help"])));
    for (const help of helps) expect(help.stdout).toMatch(/Examples:\n {2}\$ tesserae /);
  });

  test.each([
    ["an unknown command", ["trian"], "Did you mean train?"],
    ["an unknown option", ["list", "--jsno"], "Did you mean --json?"],
    ["a missing argument", ["info"], "missing required argument"],
    ["a bad number", ["bench", "x", "--runs", "none"], "must be a whole number from 1"],
    ["an unknown choice", ["train", "x", "--task", "poetry"], "Allowed choices"],
    ["a missing model", ["info", "nowhere"], 'error: model "nowhere": is not here'],
    ["no data", ["train", "bert-tiny"], "--task and --data must be given"],
  ])("ends with 2 for %s and says what is wrong without a stack", async (_, args, message) => {
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  test("shows a stack with --verbose, and an error as a document with --json", async () => {
    const { stderr, stdout } = await run(["info", "nowhere", "--verbose", "--json"]);
    expect(stderr).toMatch(/\n\s+at /);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "not_found" } });
  });
});

/** What `list` shows of the store; the bundled models are there too. */
const stored = async () => ((await json("list")) as { ref: string }[]).filter(({ ref }) => ref.includes("@"));

describe("pull, list, info and rm", () => {
  test("walk a model folder through the store", async () => {
    const pulled = await run(["pull", "./reviews"]);
    expect([pulled.code, pulled.stdout]).toEqual([
      0,
      expect.stringContaining("reviews@1: BertForSequenceClassification for text-classification"),
    ]);
    expect(await stored()).toMatchObject([{ ref: "reviews@1", task: "text-classification" }]);
    const info = await json("info", "reviews");
    expect(info).toMatchObject({ labels: ["bad", "good"], lineage: { parent: "./reviews" } });
    expect(Object.keys(info.files).sort()).toEqual([
      "config.json",
      "manifest.json",
      "model.onnx",
      "model.safetensors",
      "tokenizer_config.json",
      "vocab.txt",
    ]);
    expect((await run(["info", "reviews"])).stdout).toMatch(/parameters {4}\d\d,\d{3}\n/);
    expect((await run(["info", "revews"])).stderr).toContain('did you mean "reviews"?');
    expect((await run(["rm", "reviews"])).code).toBe(2);
    expect((await run(["rm", "reviews@1"])).stdout).toBe("removed reviews@1\n");
    expect(await stored()).toEqual([]);
  });

  test("pull downloads from the hub, with progress on standard error", async () => {
    const hub = new FakeHub();
    const names = ["config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors"];
    const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(reviews, name))]));
    const commit = "1".repeat(40);
    for (const revision of ["main", commit]) hub.models.set(`acme/reviews@${revision}`, { commit, files });
    const online = cliIn(folder, { HF_ENDPOINT: await hub.start(), HF_HUB_OFFLINE: "0" });
    const { code, stdout, stderr } = await online.run(["pull", "acme/reviews", "--name", "theirs", "--json"]);
    await hub.stop();
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { ref: "theirs@1" }]);
    expect(stderr).toMatch(/model\.safetensors 100 % {2}[\d,]+\/[\d,]+ bytes/);
    const { lineage } = await json("info", "theirs");
    expect(lineage.parent).toBe(`acme/reviews@${commit}`);
  });
});

describe("predict", () => {
  test("answers texts, files and standard input, one line each", async () => {
    const answers = await run(["predict", reviews, "a good film", "a dull story"]);
    expect(answers.stdout).toMatch(
      /^0\.\d{4} (good|bad) {2}a good film\n0\.\d{4} (good|bad) {2}a dull story\n$/,
    );
    writeFileSync(join(folder, "lines.txt"), "a good film\n\na dull story\n");
    expect((await run(["predict", "./reviews", "lines.txt"])).stdout).toBe(answers.stdout);
    expect((await run(["predict", "./reviews", "-"], "a good film\na dull story")).stdout).toBe(
      answers.stdout,
    );
  });

  test("writes one document with --json, with as many answers as asked for", async () => {
    const results = await json("predict", reviews, "a good film", "--top-k", "2");
    expect(results).toMatchObject([{ input: "a good film", output: [{ label: expect.any(String) }, {}] }]);
  });

  test("takes a question and its context", async () => {
    const context = "john smith saw the red bank in london";
    const [result] = await json("predict", questions, "who saw the bank ?", context);
    const [{ answer, start, end }] = result.output;
    expect(context.slice(start, end)).toBe(answer);
  });

  test("refuses empty standard input", async () => {
    const { code, stderr } = await run(["predict", reviews]);
    expect([code, stderr]).toEqual([2, "error: standard input: holds no text to predict\n"]);
  });
});

describe("bench", () => {
  test("measures every shape, and the ops with --profile", async () => {
    const args = ["bench", reviews, "--batch", "1,2", "--length", "8,16", "--runs", "3"];
    const { rows, ops } = await json(...args, "--profile");
    expect(rows.map(({ batch, length }: Record<string, number>) => [batch, length])).toEqual([
      [1, 8],
      [1, 16],
      [2, 8],
      [2, 16],
    ]);
    for (const { p50Ms, p95Ms } of rows) expect(p95Ms).toBeGreaterThanOrEqual(p50Ms);
    expect(ops.length).toBeGreaterThan(3);
  });

  test("refuses a length beyond the model's positions", async () => {
    const { code, stderr } = await run(["bench", reviews, "--length", "65"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("more than the 64 positions")]);
  });
});

describe("parity", () => {
  const fixtures = fileURLToPath(new URL("../../test/parity/fixtures", import.meta.url));

  test("prints a line for each case and ends with 0 when all pass", async () => {
    const { code, stdout } = await run(["parity", join(fixtures, "adamw"), join(fixtures, "lr-schedules")]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^PASSED adamw: .+ × tolerance\nPASSED lr-schedules: .+\n2 of 2 cases passed\n$/);
  });

  test("ends with 1 for an unsupported architecture", async () => {
    mkdirSync(join(folder, "case"));
    writeFileSync(join(folder, "case", "case.json"), JSON.stringify({ tolerance: { outputs: 1e-5 } }));
    writeFileSync(join(folder, "case", "config.json"), JSON.stringify({ architectures: ["Perceptron"] }));
    for (const name of ["inputs", "expected"]) {
      writeFileSync(join(folder, "case", `${name}.safetensors`), Buffer.from("\u0002\0\0\0\0\0\0\0{}"));
    }
    const result = await run(["parity", "case", "--json"]);
    expect([result.code, JSON.parse(result.stdout)]).toMatchObject([
      1,
      { passed: 0, total: 1, cases: [{ name: "case", status: "unsupported" }] },
    ]);
  });
});

describe("doctor", () => {
  test("finds this machine fit and names providers that are not usable", async () => {
    const { ok, checks } = await json("doctor");
    expect(ok).toBe(true);
    const names = checks.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(["ONNX Runtime", "provider cpu", "threads", "store"]));
  });

  test("fails when the store cannot be made", async () => {
    writeFileSync(join(folder, "file"), "");
    const { run: runThere } = cliIn(folder, { TESSERAE_HOME: join(folder, "file") });
    const { code, stdout } = await runThere(["doctor"]);
    expect([code, stdout]).toEqual([1, expect.stringMatching(/FAIL +store/)]);
    rmSync(join(folder, "file"));
  });
});
