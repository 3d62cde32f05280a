import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { HF_HUB_OFFLINE: "1" });

const subjects = ["the film", "a story", "the actor", "this music"];
const verdicts = { good: ["great", "fine", "lovely"], bad: ["dull", "poor", "weak"] };
const sentences = Object.entries(verdicts).flatMap(([label, words]) =>
  subjects.flatMap((subject) =>
    words.map((word) => ({ text: `${subject} was ${word} and ${label} .`, label })),
  ),
);

beforeAll(() => {
  const lines = sentences.map(({ text }) => text);
  mkdirSync(join(folder, "corpus/more"), { recursive: true });
  writeFileSync(
    join(folder, "corpus/a.txt"),
    `${lines.slice(0, 12).join("\n")}\n\n${lines.slice(8).join("\n")}\n`,
  );
  writeFileSync(join(folder, "corpus/more/b.txt.gz"), gzipSync(`${lines.join("\n")}\n`));
  const rows = lines.map((text) => JSON.stringify({ text: `${text}\n${text}` }));
  writeFileSync(join(folder, "corpus/c.jsonl"), `${rows.join("\n")}\n`);
  const table = sentences.map(({ text, label }) => `${text.replace(` and ${label}`, "")},${label}`);
  writeFileSync(join(folder, "labelled.csv"), `text,label\n${table.join("\n")}\n`);
});

const rates = "--learning-rate 3e-3 --batch-size 4 --max-length 32";
const words = (line: string): string[] => line.split(" ");
const json = async (line: string) => {
  const { stdout, stderr } = await run([...words(line), "--json"]);
  expect(stdout, stderr).not.toBe("");
  return JSON.parse(stdout);
};

describe("pretraining", () => {
  test.each(["masked-lm", "bert-pretraining"])(
    "%s on a folder of text learns a tokenizer, and the model is evaluated, asked and fine-tuned",
    async (task) => {
      const size = "--set hidden_size=32 --set intermediate_size=64 --set initializer_range=0.1";
      const text = "--data corpus --validation corpus --train-tokenizer 120 --epochs 12";
      const { metrics } = await json(
        `train bert-tiny --task ${task} --name ${task} ${text} ${size} ${rates}`,
      );
      expect(metrics.loss).toBeLessThan(4);
      const again = await json(`eval ${task} --data corpus --batch-size 4 --max-length 32`);
      for (const [name, value] of Object.entries<number>(metrics)) {
        expect(again.metrics[name], name).toBeCloseTo(value, 5);
      }
      expect((await run(["predict", task, "the film was [MASK] ."])).stdout).toContain("the film was");
      const labelled = "--data labelled.csv --validation labelled.csv --epochs 15";
      const tuned = await json(
        `train ${task} --task text-classification --name ${task}-2 ${labelled} ${rates}`,
      );
      expect(tuned.metrics.accuracy).toBeGreaterThan(0.9);
    },
  );

  test("causal-lm on one file holds its end out and reports the perplexity of bytes", async () => {
    const size = "--set n_embd=32 --set n_layer=2 --set n_head=2 --set n_positions=64";
    const text = "--data corpus/a.txt --train-tokenizer 257 --epochs 20";
    const { metrics } = await json(`train gpt2 --task causal-lm --name bytes ${text} ${size} ${rates}`);
    expect(metrics.perplexity).toBeLessThan(100);
    expect(metrics.perplexity).toBeCloseTo(Math.exp(metrics.loss), 5);
    const evaluated = await json("eval bytes --data corpus/a.txt --max-length 32");
    expect(Object.keys(evaluated.metrics)).toEqual(["loss", "perplexity", "accuracy"]);
  });

  test("no item is longer than the model has positions for", async () => {
    const size = "--set n_embd=16 --set n_layer=1 --set n_head=2 --set n_positions=16";
    const text = "--data corpus/a.txt --train-tokenizer 257 --epochs 1";
    const { metrics } = await json(`train gpt2 --task causal-lm --name narrow ${text} ${size} ${rates}`);
    expect(metrics.perplexity).toBeGreaterThan(1);
  });

  test("a tokenizer is learned from text alone, and only where none is given", async () => {
    const train = words("train bert-tiny --train-tokenizer 120");
    const labelled = await run([...train, ...words("--task text-classification --data labelled.csv")]);
    expect([labelled.code, labelled.stderr]).toEqual([2, expect.stringContaining("is for masked-lm")]);
    const both = await run([...train, ...words("--tokenizer x --task masked-lm --data corpus")]);
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining("not both")]);
  });
});
