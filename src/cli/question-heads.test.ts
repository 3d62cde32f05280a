import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyEncoderConfig, writeTinyEncoder } from "../../test/support/tiny-encoders.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { HF_HUB_OFFLINE: "1" });

const people = ["john", "mary", "smith"];
const cities = ["london", "paris", "berlin"];
const paragraphs = people.flatMap((person, at) =>
  cities.map((city, other) => {
    const context = `${person} lives in ${city} .`;
    const qas = [
      { id: `${at}-${other}-0`, question: "who lives ?", answers: [{ text: person, answer_start: 0 }] },
      {
        id: `${at}-${other}-1`,
        question: "where ?",
        answers: [{ text: city, answer_start: context.indexOf(city) }],
      },
    ];
    return { context, qas };
  }),
);

beforeAll(async () => {
  const config = tinyEncoderConfig("distilbert", "DistilBertForMaskedLM", { initializer_range: 0.1 });
  await writeTinyEncoder(join(folder, "blank"), config);
  rmSync(join(folder, "blank", "model.safetensors"));
  writeFileSync(join(folder, "train.json"), JSON.stringify({ data: [{ paragraphs }] }));
});

const flags = ["--task", "question-answering", "--data", "train.json", "--validation", "train.json"];

describe("train --qa-head", () => {
  test("two-stream learns, is stored with its class, and answers after reopening", async () => {
    const { code, stdout, stderr } = await run([
      ...["train", "./blank", ...flags, "--qa-head", "two-stream", "--name", "reader"],
      ...["--epochs", "15", "--batch-size", "6", "--learning-rate", "3e-3", "--max-length", "32"],
    ]);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(stdout).toMatch(/^reader@1: /);
    const config = JSON.parse(readFileSync(join(folder, "home/models/reader/1/config.json"), "utf8"));
    expect(config.architectures).toEqual(["DistilBertForTwoStreamQuestionAnswering"]);
    const scored = JSON.parse((await run(["eval", "reader", "--data", "train.json", "--json"])).stdout);
    expect(scored.metrics.exact_match).toBeGreaterThan(0.6);
  });

  test("is refused where the family has no such head, or with another head", async () => {
    const unknown = await run(["train", "./blank", ...flags, "--qa-head", "start-then-end"]);
    expect(unknown.stderr).toContain("no architecture for the task question-answering with start-then-end");
    const both = await run(["train", "./blank", ...flags, "--qa-head", "two-stream", "--crf"]);
    expect(both.stderr).toContain("are for different tasks; give one");
  });
});
