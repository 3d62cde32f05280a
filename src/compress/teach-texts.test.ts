import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, tinyTokenizer, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { tinyTranslator } from "../../test/support/tiny-translator.ts";
import { architectureFor } from "../models/registry.ts";
import { prepare } from "../tasks/tasks.ts";
import { Random } from "../tensor/random.ts";
import { bertTokenizerJson } from "../text/bert-vocab.ts";
import { Tokenizer } from "../text/tokenizer.ts";
import type { TrainRun } from "../train/trainer.ts";
import { type TextDistilOptions, teachTexts } from "./teach-texts.ts";
import { labelsOfTeacher, readTeacher, TeacherSession } from "./teacher.ts";
import { TeacherCache } from "./teacher-cache.ts";

const folder = useTemporaryFolder();
const cacheFolder = join(folder, "cache");
const path = (name: string): string => join(folder, name);

/** Words in another order and number, so that ids and lengths differ. */
const otherTokenizer = new Tokenizer(
  bertTokenizerJson(
    [
      "[PAD]",
      "[UNK]",
      "[CLS]",
      "[SEP]",
      "[MASK]",
      ..."goda".split(""),
      ..."##o ##d ##a ##b ##g the film was".split(" "),
    ].join("\n"),
    {},
    "vocab.txt",
  ),
);

const files = {
  "text-classification": "text,label\nthe film was good,1\nthe film was bad,0\ngood good film,1\nbad,0\n",
  "token-classification": JSON.stringify({ tokens: ["john", "runs", "good"], tags: ["B-PER", "O", "O"] }),
};

beforeAll(async () => {
  writeFileSync(path("reviews.csv"), files["text-classification"]);
  writeFileSync(path("tags.jsonl"), `${files["token-classification"]}\n${files["token-classification"]}\n`);
  writeFileSync(path("lines.txt"), "the movie was great\n\nthe story was very dull\n");
  await writeTinyModel(
    path("classifier"),
    tinyConfig("BertForSequenceClassification", withLabels("no", "yes")),
  );
  await writeTinyModel(path("tagger"), tinyConfig("BertForTokenClassification", withLabels("B-PER", "O")));
  await writeTinyModel(path("masked"), tinyConfig("BertForMaskedLM"));
  await writeTinyModel(path("reader"), tinyConfig("BertForQuestionAnswering"));
  await writeTinyModel(path("translator"), tinyTranslator());
  writeFileSync(path("pairs.tsv"), "source\ttarget\nthe film\ta movie\ngood\tfine\n");
  const answer = { text: "good film", answer_start: 4 };
  const qas = [
    { id: "1", question: "what film ?", answers: [answer] },
    { id: "2", question: "who ?", answers: [answer] },
  ];
  const paragraphs = [{ context: "the good film", qas }];
  writeFileSync(path("squad.json"), JSON.stringify({ data: [{ paragraphs }] }));
});

type Task = Parameters<typeof prepare>[0];

/** A run over a file and what its first batch holds. */
async function taught(
  task: Task,
  [teacherName, data]: readonly [string, string],
  options: Partial<TextDistilOptions> & { readonly student?: object } = {},
) {
  const teacher = await readTeacher(path(teacherName));
  const { tokenizer = tinyTokenizer(), student = {}, ...rest } = options;
  const prepared = await prepare(
    task,
    {
      trainPath: path(data),
      validationPath: path(data),
      labels: labelsOfTeacher(teacher),
      maxLength: task === "question-answering" ? 24 : 16,
    },
    tokenizer,
  );
  const fields = { vocab_size: tokenizer.vocabSize, ...student };
  const config =
    task === "translation"
      ? tinyTranslator(fields)
      : tinyConfig(architectureFor("bert", prepared.task.name).name, fields);
  const run: TrainRun = {
    config: { ...config, ...prepared.task.config },
    task: prepared.task,
    train: prepared.train,
    output: path(`run-${Math.random()}`),
  };
  const all = { cache: new TeacherCache(cacheFolder), ...rest, teacher, tokenizer };
  const result = await teachTexts(run, prepared, all);
  const indices = result.run.train.lengths.map((_, at) => at);
  const batch = await result.run.train.collate(indices, 24, new Random(1), 0);
  return { ...result, prepared, teacher, batch };
}

const filesIn = (name: string): string[] =>
  readdirSync(name, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".safetensors"));

describe("a taught run over texts", () => {
  test("brings the teacher's logits to each text, by its number", async () => {
    const { batch, teacher, run, release } = await taught("text-classification", [
      "classifier",
      "reviews.csv",
    ]);
    const session = await TeacherSession.open(teacher);
    const { "teacher.logits": live } = await session.answer(batch);
    await session.release();
    expect(batch["teacher.logits"]!.shape).toEqual([4, 2]);
    const [kept, now] = [batch["teacher.logits"]!, live!].map((tensor) => tensor.toNumbers());
    expect(Math.max(...kept!.map((value, at) => Math.abs(value - now![at]!)))).toBeLessThan(1e-5);
    expect(run.options!.distillation).toMatchObject({ logits: "softmax", hidden: 0 });
    await release();
  });

  test("gives a student of another tokenizer the same logits", async () => {
    const own = await taught("text-classification", ["classifier", "reviews.csv"]);
    const other = await taught("text-classification", ["classifier", "reviews.csv"], {
      tokenizer: otherTokenizer,
    });
    expect(other.batch.input_ids!.toNumbers()).not.toEqual(own.batch.input_ids!.toNumbers());
    expect(other.batch["teacher.logits"]).toEqual(own.batch["teacher.logits"]);
  });

  test("asks the teacher once: later runs read the answers from the disk, and damaged ones are asked again", async () => {
    const first = await taught("text-classification", ["classifier", "reviews.csv"]);
    const kept = filesIn(cacheFolder);
    const file = join(cacheFolder, kept[0]!);
    const bytes = readFileSync(file);
    await taught("text-classification", ["classifier", "reviews.csv"]);
    expect(filesIn(cacheFolder)).toEqual(kept);
    writeFileSync(file, bytes.subarray(0, 40));
    const again = await taught("text-classification", ["classifier", "reviews.csv"]);
    expect(readFileSync(file)).toEqual(bytes);
    expect(again.batch["teacher.logits"]).toEqual(first.batch["teacher.logits"]);
    await writeTinyModel(
      path("changed"),
      tinyConfig("BertForSequenceClassification", withLabels("no", "yes")),
      8,
    );
    const changed = await taught("text-classification", ["changed", "reviews.csv"]);
    expect(filesIn(cacheFolder)).toHaveLength(kept.length + 1);
    expect(changed.batch["teacher.logits"]).not.toEqual(first.batch["teacher.logits"]);
  });

  test("adds lines without labels, which the teacher labels", async () => {
    const { batch, run } = await taught("text-classification", ["classifier", "reviews.csv"], {
      transfer: { path: path("lines.txt") },
    });
    expect(run.train.lengths).toHaveLength(6);
    const logits = batch["teacher.logits"]!.toNumbers();
    const best = [4, 5].map((row) => Number(logits[2 * row + 1]! > logits[2 * row]!));
    expect(batch.labels!.toNumbers()).toEqual([1, 0, 1, 0, ...best]);
  });

  test("matches tags by words where tokens differ", async () => {
    const own = await taught("token-classification", ["tagger", "tags.jsonl"]);
    const other = await taught("token-classification", ["tagger", "tags.jsonl"], {
      tokenizer: otherTokenizer,
    });
    const rowsOf = ({ batch }: typeof own): number[][] => {
      const mask = batch["teacher.mask"]!.toNumbers();
      const values = batch["teacher.logits"]!.toNumbers();
      return mask.flatMap((counts, at) => (counts ? [values.slice(2 * at, 2 * at + 2)] : []));
    };
    expect(rowsOf(own)).toHaveLength(6);
    expect(rowsOf(other)).toEqual(rowsOf(own));
  });

  test("brings scores of positions where tokens are the teacher's, and refuses others", async () => {
    const { batch } = await taught("question-answering", ["reader", "squad.json"]);
    expect(batch["teacher.start_logits"]!.shape).toEqual(batch.input_ids!.shape);
    const [scores, mask] = [batch["teacher.end_logits"]!, batch.attention_mask!].map((one) =>
      one.toNumbers(),
    );
    expect(scores!.map((score) => Number(score !== 0))).toEqual(mask);
    const other = taught("question-answering", ["reader", "squad.json"], { tokenizer: otherTokenizer });
    await expect(other.then(({ batch: made }) => made)).rejects.toThrow(/need the teacher's tokenizer/);
  });

  test("replaces translations by the teacher's own", async () => {
    const { prepared, run } = await taught("translation", ["translator", "pairs.tsv"]);
    const labelsOf = async (dataset: TrainRun["train"]): Promise<number[]> => {
      const batch = await dataset.collate([0, 1], 16, new Random(1), 0);
      return batch.labels!.toNumbers();
    };
    expect(await labelsOf(run.train)).not.toEqual(await labelsOf(prepared.train));
    expect(run.options?.distillation).toBeUndefined();
    const again = await taught("translation", ["translator", "pairs.tsv"]);
    expect(await labelsOf(again.run.train)).toEqual(await labelsOf(run.train));
  });

  test("asks live for masked texts, at the masked tokens alone, and for hidden states", async () => {
    const { batch, run, release } = await taught("masked-lm", ["masked", "lines.txt"]);
    await release();
    const asked = batch.masked_positions!.size;
    expect(batch["teacher.logits"]!.shape).toEqual([asked, tinyTokenizer().vocabSize]);
    expect(batch["teacher.mask"]!.shape).toEqual([asked]);
    expect(batch["teacher.hidden"]!.shape).toEqual([...batch.input_ids!.shape, 32]);
    expect(run.options!.distillation).toMatchObject({ outputs: 5, labels: 2, hidden: 1, temperature: 2 });
  });

  test("starts from the teacher's weights where they fit, else from random ones", async () => {
    const same = await taught("text-classification", ["classifier", "reviews.csv"]);
    expect(same.run.weightsFolder).toBe(join(same.run.output, "student"));
    const narrow = await taught("text-classification", ["classifier", "reviews.csv"], {
      student: { hidden_size: 16 },
    });
    expect(narrow.run.weightsFolder).toBeUndefined();
  });

  test.each([
    [
      "hidden states with another tokenizer",
      { fields: { hidden: 1 }, tokenizer: otherTokenizer },
      /teacher's tokenizer/,
    ],
    ["an unknown weight", { fields: { logit: 1 } as object }, /logit=1 must be one of temperature, labels/],
    ["a temperature below 1", { fields: { temperature: 0.5 } }, /temperature=0.5/],
    [
      "live answers to texts without labels",
      { fields: { hidden: 1 }, transfer: { path: path("lines.txt") } },
      /leave hidden at 0/,
    ],
  ] as const)("refuses %s", async (_, options, message) => {
    await expect(taught("text-classification", ["classifier", "reviews.csv"], options)).rejects.toThrow(
      message,
    );
  });

  test("refuses a teacher that gives nothing to follow", async () => {
    await writeTinyModel(path("bare"), tinyConfig("BertModel"));
    await expect(taught("text-classification", ["bare", "reviews.csv"])).rejects.toThrow(
      /nothing that a student/,
    );
  });
});
