import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, tinyTokenizer } from "../../test/support/tiny-model.ts";
import { tinyTranslator } from "../../test/support/tiny-translator.ts";
import type { DataTask } from "../data/examples.ts";
import { ConfigError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import type { Architecture, TaskName } from "../models/model.ts";
import { architectureFor } from "../models/registry.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type Batch, TrainStep } from "../train/step.ts";
import type { ScoredDataset } from "./dataset.ts";
import { dataTaskOf, dataTasks, headOf, prepare, prepareEvaluation, type TrainingFiles } from "./tasks.ts";

const folder = useTemporaryFolder();
const tokenizer = tinyTokenizer();

function write(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

const all = (data: ScoredDataset): number[] => data.lengths.map((_, at) => at);

/** All items in one batch. */
const batchOf = (data: ScoredDataset, seed = 1): Batch =>
  data.collate(all(data), Math.max(...data.lengths), new Random(seed));

const numbers = (batch: Batch, name: string): number[] => batch[name]!.toNumbers();

const classes = write(
  "classes.csv",
  "text,label",
  "a very good film,pos",
  "a dull film,neg",
  "good music,pos",
  "bad,neg",
);
const squad = write(
  "squad.json",
  JSON.stringify({
    data: [
      {
        paragraphs: [
          {
            context: `John Smith lives in London. ${"the river is green . ".repeat(30)}Mary lives in Paris.`,
            qas: [
              {
                id: "1",
                question: "who lives in London ?",
                answers: [{ text: "John Smith", answer_start: 0 }],
              },
              { id: "2", question: "where ?", answers: [], is_impossible: true },
            ],
          },
        ],
      },
    ],
  }),
);
const conll = write("tags.conll", "John B-PER", "runs O", "", "unable B-LOC", "Paris I-LOC", "");
const similar = write(
  "similar.csv",
  "sentence1,sentence2,score",
  "a good film,a great film,5",
  "a good film,the river bank,0",
  "music,bad music,3",
);
const stories = write(
  "stories.txt",
  ...[
    "john ran .",
    "mary saw the river .",
    "",
    "the bank is blue .",
    "a book is red .",
    "",
    "music",
    "film",
    "",
  ],
);
const choices = write(
  "choices.jsonl",
  ...[0, 1].map((label) =>
    JSON.stringify({ context: "she likes", choices: ["a book", "the river bank"], label }),
  ),
);

const pairs = write("pairs.tsv", "source\ttarget", "der film\tthe film", "ein buch\ta good book");

const filesOf: Record<DataTask, string> = {
  "text-classification": classes,
  "token-classification": conll,
  "question-answering": squad,
  "sentence-similarity": similar,
  "masked-lm": stories,
  "bert-pretraining": stories,
  "causal-lm": stories,
  "multiple-choice": choices,
  translation: pairs,
};

const prepared = (task: DataTask, extra: Partial<TrainingFiles> = {}) =>
  prepare(
    task,
    { trainPath: filesOf[task], validationPath: filesOf[task], maxLength: 48, ...extra },
    tokenizer,
  );

/** A small model for a task's head: BERT, GPT-2 for text from left to right, a Transformer from text to text. */
function tinyModel(head: TaskName): { architecture: Architecture; config: ConfigJson } {
  if (head === "translation")
    return { architecture: architectureFor("tesserae-transformer", head), config: tinyTranslator() };
  const isCausal = head === "text-generation";
  const architecture = architectureFor(isCausal ? "gpt2" : "bert", head);
  const { vocab_size } = tinyConfig(architecture.name);
  const causal = { vocab_size, n_embd: 32, n_layer: 2, n_head: 2, n_positions: 64 };
  const config = isCausal ? { architectures: [architecture.name], ...causal } : tinyConfig(architecture.name);
  return { architecture, config: { ...config, initializer_range: 0.05 } };
}

describe.each(dataTasks)("%s", (task) => {
  test("data trains its head: the loss falls, and the evaluator scores the outputs", async () => {
    const { task: trained, train, validation } = await prepared(task);
    const { architecture, config } = tinyModel(trained.name);
    const step = await TrainStep.open(architecture, { ...config, ...trained.config }, { seed: 3 });
    const batch = batchOf(train);
    const first = (await step.run([batch], 1, 3e-3)).loss;
    for (let count = 2; count <= 12; count++) await step.run([batch], count, 3e-3);
    expect((await step.run([batch], 13, 3e-3)).loss).toBeLessThan(first);
    const evaluator = trained.evaluator(validation);
    evaluator.add(await step.evaluate(batchOf(validation), trained.outputs), all(validation));
    const metrics = { loss: 0, ...evaluator.result() };
    expect(metrics).toHaveProperty(trained.bestMetric);
    expect(Object.values(metrics).every(Number.isFinite)).toBe(true);
    await step.release();
  });

  test("batches have the architecture's inputs, in its dtypes", async () => {
    const { task: trained, train } = await prepared(task);
    const { architecture, config } = tinyModel(trained.name);
    const batch = batchOf(train);
    for (const { name, dtype, axes } of architecture.inputs({ ...config, ...trained.config })) {
      if (name === "decoder_input_ids") continue; // the labels give them
      expect([name, batch[name]!.dtype, batch[name]!.shape.length]).toEqual([name, dtype, axes.length]);
    }
  });

  test("is found by the head that it trains", () => {
    expect(dataTaskOf(headOf(task))).toBe(task);
  });
});

describe("text classification data", () => {
  test("labels are indices of the config's names", async () => {
    const { task, train } = await prepared("text-classification");
    expect(task.config).toEqual({
      id2label: { 0: "neg", 1: "pos" },
      label2id: { neg: 0, pos: 1 },
      problem_type: "single_label_classification",
    });
    expect(numbers(batchOf(train), "labels")).toEqual([1, 0, 1, 0]);
  });

  test("lists of labels make a multi-label task, scores a regression", async () => {
    const multi = write("multi.jsonl", '{"text":"a","labels":["x","y"]}', '{"text":"b","labels":["y"]}');
    const prepared = await prepare(
      "text-classification",
      { trainPath: multi, validationPath: multi },
      tokenizer,
    );
    expect(prepared.task.config.problem_type).toBe("multi_label_classification");
    expect(numbers(batchOf(prepared.train), "labels")).toEqual([1, 1, 0, 1]);
    const evaluator = prepared.task.evaluator(prepared.validation);
    evaluator.add({ logits: Tensor.from("float32", [2, 2], [3, 1, 2, 1]) }, [0, 1]);
    expect(evaluator.result()).toEqual({ f1_micro: 6 / 7, f1_macro: (2 / 3 + 1) / 2, accuracy: 0.5 });
    const scores = write("scores.csv", "sentence1,sentence2,score", "a,b,1.5", "c,d,4");
    const regression = await prepare(
      "text-classification",
      { trainPath: scores, validationPath: scores },
      tokenizer,
    );
    expect(numbers(batchOf(regression.train), "labels")).toEqual([1.5, 4]);
    expect(numbers(batchOf(regression.train), "token_type_ids")).toContain(1);
  });

  test("a file for evaluation is read with the model's labels", async () => {
    const { task } = await prepared("text-classification");
    const evaluation = await prepareEvaluation("text-classification", classes, task.config, tokenizer);
    expect(numbers(batchOf(evaluation.dataset), "labels")).toEqual([1, 0, 1, 0]);
    const other = write("other.csv", "text,label", "a,maybe", "b,pos");
    await expect(prepareEvaluation("text-classification", other, task.config, tokenizer)).rejects.toThrow(
      /"maybe" is not one of the model's: neg, pos/,
    );
  });

  test("without a validation file a share is held out, the same for the same seed", async () => {
    const lines = Array.from(
      { length: 40 },
      (_, at) => `${"a film ".repeat(1 + (at % 9))},${at % 2 ? "x" : "y"}`,
    );
    const trainPath = write("many.csv", "text,label", ...lines);
    const [first, second] = await Promise.all(
      [1, 2].map(() =>
        prepare("text-classification", { trainPath, validationShare: 0.25, seed: 5 }, tokenizer),
      ),
    );
    expect([first!.train.lengths.length, first!.validation.lengths.length]).toEqual([30, 10]);
    expect(second!.validation.lengths).toEqual(first!.validation.lengths);
  });

  test("bad rows and shortened texts are counted", async () => {
    const path = write("odd.csv", "text,label", `${"good ".repeat(60)},x`, "fine,y", "broken");
    const { badRows, truncated, train } = await prepared("text-classification", {
      trainPath: path,
      validationPath: path,
    });
    expect([badRows.length, truncated, Math.max(...train.lengths)]).toEqual([2, 2, 48]);
    expect(badRows[0]!.line).toBe(4);
  });

  test("one label alone is refused", async () => {
    const trainPath = write("one.csv", "text,label", "a,x", "b,x", "c,x", "d,x");
    await expect(prepare("text-classification", { trainPath }, tokenizer)).rejects.toThrow(ConfigError);
  });
});

describe("token classification data", () => {
  test("labels the first piece of each word and nothing else", async () => {
    const { task, train } = await prepared("token-classification");
    expect(Object.values(task.config.id2label as object)).toEqual(["B-LOC", "B-PER", "I-LOC", "O"]);
    // [CLS] john runs [SEP] · and [CLS] un ##able paris [SEP]
    expect(numbers(batchOf(train), "labels")).toEqual([-100, 1, 3, -100, -100, -100, 0, -100, 2, -100]);
  });

  test("words that were cut off are scored as missed", async () => {
    const words = Array.from({ length: 30 }, () => "john B-PER");
    const path = write("long.conll", ...words, "");
    const { task, validation, truncated } = await prepared("token-classification", {
      trainPath: path,
      validationPath: path,
      maxLength: 12,
    });
    expect(truncated).toBe(2);
    const evaluator = task.evaluator(validation);
    evaluator.add({ logits: Tensor.from("float32", [1, 12, 1], Array(12).fill(1)) }, [0]);
    expect(evaluator.result()).toMatchObject({ precision: 1, recall: 10 / 30, accuracy: 10 / 30 });
  });
});

describe("question answering data", () => {
  test("marks the answer in the window that holds it, and [CLS] in the others", async () => {
    const { train } = await prepared("question-answering");
    const batch = batchOf(train);
    const [starts, ends] = [numbers(batch, "start_positions"), numbers(batch, "end_positions")];
    const ids = numbers(batch, "input_ids").slice(starts[0], ends[0]! + 1);
    expect(tokenizer.decode(ids)).toBe("john smith");
    expect(starts.slice(1).every((at) => at === 0)).toBe(true);
    expect(train.lengths.length).toBeGreaterThan(4);
  });

  test("is scored over all windows of a question, with no answer where that is likelier", async () => {
    const { task, validation } = await prepared("question-answering");
    const batch = batchOf(validation);
    const [rows, length] = batch.input_ids!.shape as [number, number];
    const peaks = (positions: number[]): Tensor => {
      const logits = new Float32Array(rows * length);
      for (const [row, at] of positions.entries()) logits[row * length + at] = 20;
      return new Tensor("float32", [rows, length], logits);
    };
    const evaluator = task.evaluator(validation);
    const outputs = {
      start_logits: peaks(numbers(batch, "start_positions")),
      end_logits: peaks(numbers(batch, "end_positions")),
    };
    evaluator.add(outputs, all(validation));
    expect(evaluator.result()).toEqual({
      exact_match: 1,
      f1: 1,
      f1_answerable: 1,
      accuracy_unanswerable: 1,
      best_f1: 1,
      best_threshold: -40, // both ends of the answer have 20, "no answer" 0
    });
  });
});

describe("masked language model data", () => {
  test("is masked anew by other random numbers, and alike by the same", async () => {
    const { train } = await prepared("masked-lm");
    const [first, same, other] = [1, 1, 2].map((seed) => numbers(batchOf(train, seed), "labels"));
    expect(first).toEqual(same);
    expect(first).not.toEqual(other);
  });

  test("asks for the original token where it is masked, never at special tokens", async () => {
    const { train } = await prepared("masked-lm");
    const batch = batchOf(train);
    const [ids, labels] = [numbers(batch, "input_ids"), numbers(batch, "labels")];
    const special = [tokenizer.clsId, tokenizer.sepId, tokenizer.padId];
    expect(labels.some((label) => label >= 0)).toBe(true);
    for (const [at, label] of labels.entries()) {
      if (special.includes(ids[at])) expect(label).toBe(-100);
      if (ids[at] === tokenizer.maskId) expect(label).toBeGreaterThanOrEqual(0);
    }
  });

  test("fills blocks with the lines of the text", async () => {
    const { train } = await prepared("masked-lm", { maxLength: 10 });
    expect(train.lengths.slice(0, -1).every((length) => length === 10)).toBe(true);
  });

  test("asks at its masked positions alone, which changes neither loss nor gradient", async () => {
    const { task, train } = await prepared("masked-lm");
    const { masked_positions, ...plain } = batchOf(train);
    expect(masked_positions!.size).toBeLessThan(plain.labels!.size / 2);
    const { architecture, config } = tinyModel(task.name);
    const still = { ...config, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };
    const [whole, gathered] = await Promise.all(
      [plain, { ...plain, masked_positions: masked_positions! }].map(async (batch) => {
        const step = await TrainStep.open(architecture, still, { seed: 3 });
        const result = await step.run([batch], 1, 1e-3);
        const counts = await step.evaluate(batch, task.outputs);
        await step.release();
        return [result.loss, result.gradNorm, ...Object.values(counts).map((value) => Number(value.data[0]))];
      }),
    );
    whole!.forEach((value, at) => {
      expect(gathered![at]).toBeCloseTo(value, 5);
    });
  });

  test("masks all pieces of a word together where that is asked for", async () => {
    const path = write("pieces.txt", "unable ".repeat(200));
    const options = { trainPath: path, validationPath: path, maxLength: 32 };
    const splitWords = async (wholeWordMasking: boolean): Promise<number> => {
      const { train } = await prepare("masked-lm", { ...options, wholeWordMasking }, tokenizer);
      const asked = numbers(batchOf(train), "labels").map((label) => label >= 0);
      return asked.filter((isAsked, at) => isAsked !== asked[at % 32 === 1 ? at + 1 : at]).length;
    };
    expect(await splitWords(false)).toBeGreaterThan(0);
    expect(await splitWords(true)).toBe(0);
  });

  test("without a validation file the end of the text is held out, within a document too", async () => {
    const trainPath = write(
      "one.txt",
      ...Array.from({ length: 20 }, (_, at) => (at < 18 ? "film" : "music")),
    );
    const { train, validation } = await prepare("masked-lm", { trainPath }, tokenizer);
    expect([train.lengths, validation.lengths]).toEqual([[21], [5]]); // [CLS] … [SEP] [SEP]
    const [ids, labels] = ["input_ids", "labels"].map((name) => numbers(batchOf(validation), name));
    const words = ids!.map((id, at) => (labels![at]! >= 0 ? labels![at]! : id)).slice(1, 3);
    expect(tokenizer.decode(words)).toBe("music music");
  });
});

describe("causal language model data", () => {
  test("labels are the ids themselves, padding left out", async () => {
    const { train } = await prepared("causal-lm", { maxLength: 12 });
    expect(train.lengths).toEqual([12, 8]);
    const batch = batchOf(train);
    const [ids, mask, labels] = ["input_ids", "attention_mask", "labels"].map((name) => numbers(batch, name));
    expect(labels).toEqual(ids!.map((id, at) => (mask![at] ? id : -100)));
    expect(labels).toContain(-100);
  });

  test("each position predicts the token behind it, and the last of a block none", async () => {
    const { train, task } = await prepared("causal-lm", { maxLength: 10 });
    const { architecture, config } = tinyModel(task.name);
    const step = await TrainStep.open(architecture, config, {});
    const { token_count } = await step.evaluate(train.collate([0, 1], 10, new Random(0)), task.outputs);
    expect(token_count!.toNumbers()).toEqual([18]);
    await step.release();
  });
});
