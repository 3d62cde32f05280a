import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import {
  tinyEncoderConfig,
  tinyEncoders,
  tinyEncoderTokenizer,
  writeTinyEncoder,
} from "../../test/support/tiny-encoders.ts";
import { withLabels } from "../../test/support/tiny-model.ts";
import type { DataTask } from "../data/examples.ts";
import type { ConfigJson } from "../models/config.ts";
import type { TaskName, Variant } from "../models/model.ts";
import { architectureFor } from "../models/registry.ts";
import { Random } from "../tensor/random.ts";
import { type Batch, TrainStep } from "../train/step.ts";
import type { ScoredDataset } from "./dataset.ts";
import { type PipelineBase, pipeline } from "./pipeline.ts";
import { headOf, prepare } from "./tasks.ts";

const folder = useTemporaryFolder();
const opened: PipelineBase[] = [];
afterAll(() => Promise.all(opened.map((each) => each.dispose())));

function write(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

const context = "John Smith lives in London. Mary lives in Paris, and the river is green.";
const answered = (id: string, question: string, text: string) => ({
  id,
  question,
  answers: text ? [{ text, answer_start: context.indexOf(text) }] : [],
  is_impossible: text === "",
});
const questions = [answered("1", "who lives in London ?", "John Smith"), answered("2", "where ?", "")];

const files: Partial<Record<DataTask, string>> = {
  "text-classification": write("classes.csv", "text,label", "a very good film,pos", "bad,neg"),
  "token-classification": write("tags.conll", "John B-PER", "runs O", "", "unable B-LOC", "Paris I-LOC", ""),
  "question-answering": write(
    "squad.json",
    JSON.stringify({ data: [{ paragraphs: [{ context, qas: questions }] }] }),
  ),
  "masked-lm": write("stories.txt", "john ran .", "mary saw the river .", "", "the bank is blue ."),
  "multiple-choice": write(
    "choices.jsonl",
    JSON.stringify({ context: "she likes", choices: ["a book", "the river bank"], label: 0 }),
    JSON.stringify({ context: "he saw", choices: ["red", "john smith in london"], label: 1 }),
  ),
};

const variantsOf: Partial<Record<DataTask, readonly Variant[]>> = {
  "token-classification": ["crf"],
  "question-answering": ["two-stream"],
};
const trainings = tinyEncoders.flatMap((family) =>
  (Object.keys(files) as DataTask[]).flatMap((task) =>
    [undefined, ...(variantsOf[task] ?? [])].map(
      (variant) => [family, task, variant ?? "plain", variant] as const,
    ),
  ),
);

const all = (data: ScoredDataset): number[] => data.lengths.map((_, at) => at);
const batchOf = (data: ScoredDataset): Batch =>
  data.collate(all(data), Math.max(...data.lengths), new Random(1));

/** First weights and no dropout, under which a few steps show whether anything is learned. */
const learnable: ConfigJson = {
  initializer_range: 0.05,
  dropout: 0,
  hidden_dropout_prob: 0,
  seq_classif_dropout: 0,
  summary_last_dropout: 0,
};

async function train(family: string, task: DataTask, variant?: Variant): Promise<Record<string, number>> {
  const path = files[task]!;
  const tokenizer = tinyEncoderTokenizer(family);
  const {
    task: trained,
    train: data,
    validation,
  } = await prepare(task, { trainPath: path, validationPath: path, maxLength: 48 }, tokenizer);
  const architecture = architectureFor(family, headOf(task), variant);
  const config = tinyEncoderConfig(family, architecture.name, { ...learnable, ...trained.config });
  const step = await TrainStep.open(architecture, config, { seed: 3 });
  const batch = batchOf(data);
  const first = (await step.run([batch], 1, 3e-3)).loss;
  for (let count = 2; count <= 6; count++) await step.run([batch], count, 3e-3);
  expect((await step.run([batch], 7, 3e-3)).loss).toBeLessThan(first);
  const evaluator = trained.evaluator(validation);
  evaluator.add(await step.evaluate(batchOf(validation)), all(validation));
  await step.release();
  return { loss: 0, ...evaluator.result() };
}

describe("training", () => {
  test.each(trainings)("%s learns %s (%s head), and is scored", async (family, task, _, variant) => {
    const metrics = await train(family, task, variant);
    expect(Object.values(metrics).every(Number.isFinite)).toBe(true);
  });

  test("XLNet learns ends given starts, and whether there is an answer", async () => {
    const metrics = await train("xlnet", "question-answering", "start-then-end");
    expect(Number.isFinite(metrics.f1)).toBe(true);
  });
});

const texts = ["a very good film", "John Smith works for the river bank in London , not in Paris", "bad"];

/** Inputs of each task, and options under which its whole answer shows. */
const asked = {
  "text-classification": { inputs: texts, options: { top_k: null } },
  "token-classification": { inputs: texts, options: {} },
  "fill-mask": { inputs: texts.map((text) => `${text} [MASK]`), options: {} },
  "feature-extraction": { inputs: texts, options: { pooling: "cls" } },
  "question-answering": {
    inputs: ["who ?", "where does Mary live ?"].map((question) => ({ question, context })),
    options: { top_k: 3, handle_impossible_answer: true },
  },
} as const;

const predictions = tinyEncoders.flatMap((family) =>
  (Object.keys(asked) as (keyof typeof asked)[]).map((task) => [family, task, "plain", undefined] as const),
);

async function open(family: string, task: TaskName, variant: Variant | undefined): Promise<PipelineBase> {
  const { name } = architectureFor(family, task, variant);
  const labels: ConfigJson = task === "token-classification" ? withLabels("O", "B-PER", "I-PER") : {};
  const path = await writeTinyEncoder(join(folder, name), tinyEncoderConfig(family, name, labels));
  const made = await pipeline(task as "fill-mask", path, { provider: "cpu" });
  opened.push(made);
  return made;
}

/** Answers in one list; of features, which come as one tensor, the numbers. */
const flattened = (answers: unknown): unknown[] =>
  Array.isArray(answers) ? answers.flat() : [...(answers as { data: Float32Array }).data];

/** Numbers rounded, so that sums in another order compare equal. */
const rounded = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, part) => (typeof part === "number" ? Math.round(part * 1e4) / 1e4 : part)),
  );

type Ask = (input: unknown, options: object) => Promise<unknown>;

describe("answers", () => {
  test.each([
    ...predictions,
    ["distilbert", "question-answering", "two-stream", "two-stream"],
    ["xlnet", "question-answering", "two-stream", "two-stream"],
    ["xlnet", "question-answering", "start-then-end", "start-then-end"],
    ["roformer", "token-classification", "crf", "crf"],
  ] as const)(
    "of %s to %s (%s head) are the same in a batch as one by one",
    async (family, task, _, variant) => {
      const { inputs, options } = asked[task];
      const ask = (await open(family, task, variant)) as unknown as Ask;
      const single: unknown[] = [];
      for (const input of inputs) single.push(...flattened(await ask(input, options)));
      expect(rounded(flattened(await ask(inputs, options)))).toEqual(rounded(single));
    },
  );
});
