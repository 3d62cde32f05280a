import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyGpt2 } from "../../test/support/tiny-generators.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { cliIn, ended } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run, start } = cliIn(folder);
beforeAll(async () => {
  await writeTinyModel(join(folder, "gpt2"), tinyGpt2);
  await writeTinyModel(
    join(folder, "reviews"),
    tinyConfig("BertForSequenceClassification", withLabels("bad", "good")),
  );
});

const ask = ["predict", "./gpt2", "the book of", "--max-new-tokens", "6"];

describe("tesserae predict with a model that continues texts", () => {
  test("prints the text and what follows", async () => {
    const { code, stdout } = await run(ask);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^the book of \S.*\n$/);
  });

  test("streams the same, in pieces", async () => {
    const child = start([...ask, "--stream"]);
    const pieces: string[] = [];
    child.stdout!.on("data", (piece: Buffer) => pieces.push(piece.toString()));
    const { code, stdout } = await ended(child);
    expect(code).toBe(0);
    expect(pieces.length).toBeGreaterThan(1);
    expect(stdout).toBe((await run(ask)).stdout);
  });

  test("draws with a seed, and gives several answers as JSON", async () => {
    const draw = (seed: string) => run([...ask, "--sample", "--temperature", "2", "--seed", seed]);
    expect((await draw("1")).stdout).toBe((await draw("1")).stdout);
    const { stdout } = await run([...ask, "--beams", "4", "--answers", "2", "--json"]);
    const [{ input, output }] = JSON.parse(stdout);
    expect(input).toBe("the book of");
    expect(output).toHaveLength(2);
  });

  test("says in one sentence what is wrong with an option", async () => {
    const clash = await run([...ask, "--beams", "2", "--sample"]);
    expect(clash.code).toBe(2);
    expect(clash.stderr).toMatch(/^error: generation: num_beams above 1 and do_sample exclude each other/);
    const other = await run(["predict", "./reviews", "a good film", "--stream"]);
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/--stream needs a model that continues texts/);
  });
});
