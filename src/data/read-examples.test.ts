import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigError } from "../errors.ts";
import { readExamples, showBadRow } from "./read-examples.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "data-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}
/** The code and message of the error that reading ends in. */
const failure = async (reading: Promise<unknown>): Promise<string> => {
  const error: unknown = await reading.then(
    () => new Error("nothing failed"),
    (reason) => reason,
  );
  return error instanceof ConfigError ? `${error.code}: ${error.message}` : String(error);
};
const places = (result: { badRows: { line: number }[] }) => result.badRows.map(({ line }) => line);

describe("CSV", () => {
  test("quoted cells hold commas, quotes and line ends; bad rows are named by the line they start on", async () => {
    const path = await file(
      "quoted.csv",
      'text,category\r\n"a, ""b""\nc",x\r\nlonely\r\n"d\ne",y\r\n  ,z\r\nf,\r\n',
    );
    const result = await readExamples("text-classification", path);
    expect(result.examples).toEqual([
      { text: 'a, "b"\nc', label: "x" },
      { text: "d\ne", label: "y" },
    ]);
    expect(places(result)).toEqual([4, 7, 8]);
    expect(showBadRow(result.badRows[0]!)).toBe(`${path}:4: must have 2 cells (text, category), got 1`);
  });

  test("a quote that is never closed is one bad row, and the rows before it stay", async () => {
    const path = await file("open.csv", 'text,label\na,1\n"b,2\nc,3\n');
    const result = await readExamples("text-classification", path);
    expect(result.examples).toHaveLength(1);
    expect(places(result)).toEqual([3]);
  });

  test("pairs and scores are found by their names", async () => {
    const path = await file("pairs.csv", "Sentence_A,Sentence_B,relatedness score\na,b,4.5\nc,d,high\n");
    const options = { labelColumn: "relatedness score" };
    const result = await readExamples("text-classification", path, options);
    expect(result.examples).toEqual([{ text: "a", textPair: "b", label: 4.5 }]);
    expect(result.badRows[0]!.reason).toBe('relatedness score must be a number, got "high"');
  });

  test("a file without a header takes the names that are given", async () => {
    const path = await file("bare.csv", "a,b,1.0\n");
    const options = { columns: ["sentence1", "sentence2", "score"] };
    const { examples } = await readExamples("text-classification", path, options);
    expect(examples).toEqual([{ text: "a", textPair: "b", label: 1 }]);
  });

  test("several labels in a cell are a list under labelKind multi", async () => {
    const path = await file("multi.csv", 'text,label\na,"x, y"\nb,\n');
    const { examples } = await readExamples("text-classification", path, { labelKind: "multi" });
    expect(examples.map(({ label }) => label)).toEqual([["x", "y"], []]);
  });
});

describe("TSV", () => {
  test("quotes are ordinary characters", async () => {
    const path = await file("plain.tsv", 'sentence\tlabel\n"a\t0\nb" c\t1\n');
    const { examples } = await readExamples("text-classification", path);
    expect(examples.map((example) => example.text)).toEqual(['"a', 'b" c']);
  });

  test("quotes enclose cells on request", async () => {
    const path = await file("quoted.tsv", 'sentence\tlabel\n"a\tb"\t0\n');
    const { examples } = await readExamples("text-classification", path, { quoting: true });
    expect(examples).toEqual([{ text: "a\tb", label: "0" }]);
  });
});

describe("JSON lines", () => {
  test("labels may be names, numbers or lists", async () => {
    const rows = [{ text: "a", label: 1 }, { text: "b", label: ["x", "y"] }, { text: "c" }];
    const path = await file(
      "labels.jsonl",
      `${rows.map((row) => JSON.stringify(row)).join("\n")}\n{"text":\n[]\n`,
    );
    const result = await readExamples("text-classification", path);
    expect(result.examples.map(({ label }) => label)).toEqual(["1", ["x", "y"]]);
    expect(places(result)).toEqual([3, 4, 5]);
  });

  test("tokens and tags must be equal in number", async () => {
    const path = await file(
      "tags.jsonl",
      '{"tokens":["a","b"],"ner_tags":["O","B-X"]}\n{"tokens":["a"],"ner_tags":[]}\n',
    );
    const result = await readExamples("token-classification", path);
    expect(result.examples).toEqual([{ tokens: ["a", "b"], tags: ["O", "B-X"] }]);
    expect(places(result)).toEqual([2]);
  });

  test("choices are a list or numbered columns, the answer a number or a letter", async () => {
    const listed = await file(
      "listed.jsonl",
      '{"context":"p","question":"q?","choices":["a","b"],"answer":"B"}\n',
    );
    expect((await readExamples("multiple-choice", listed)).examples).toEqual([
      { prompt: "p q?", choices: ["a", "b"], label: 1 },
    ]);
    const columns = await file("endings.csv", "sent1,ending0,ending1,label\np,a,b,0\np,a,b,2\n");
    const result = await readExamples("multiple-choice", columns);
    expect(result.examples).toEqual([{ prompt: "p", choices: ["a", "b"], label: 0 }]);
    expect(places(result)).toEqual([3]);
  });
});

describe("CoNLL columns", () => {
  test("sentences end at blank lines; comments and -DOCSTART- are left out", async () => {
    const path = await file(
      "ner.conll",
      "-DOCSTART- -X- O O\n\n# intent = x\nAnn NNP B-NP B-PER\n# NN O O\n\n\nin\tthe city\tO\n",
    );
    expect((await readExamples("token-classification", path)).examples).toEqual([
      { tokens: ["Ann", "#"], tags: ["B-PER", "O"] },
      { tokens: ["in"], tags: ["O"] },
    ]);
  });

  test("a line without a tag makes its sentence bad, not the others", async () => {
    const path = await file("broken.conll", "a O\nb\nc O\n\nd O\n");
    const result = await readExamples("token-classification", path);
    expect(result.examples).toEqual([{ tokens: ["d"], tags: ["O"] }]);
    expect(places(result)).toEqual([2]);
  });
});

describe("SQuAD JSON", () => {
  const squad = (context: string, qas: object[]) =>
    JSON.stringify({ data: [{ title: "t", paragraphs: [{ context, qas }] }] }, null, 1);

  test("offsets become string indices, and are moved to the nearest place that fits", async () => {
    const context = "😀 one two one two";
    const answers = [
      { text: "two", answer_start: 6 },
      { text: " one", answer_start: 9 },
      { text: "three", answer_start: 0 },
    ];
    const path = await file("moved.json", squad(context, [{ id: "1", question: "q", answers }]));
    const [example] = (await readExamples("question-answering", path)).examples;
    expect(example!.answers).toEqual([
      { text: "two", answerStart: 7 },
      { text: "one", answerStart: 11 },
    ]);
  });

  test("questions may be impossible in v2; one without any usable answer is bad", async () => {
    const path = await file(
      "v2.json",
      squad("one two", [
        { id: "1", question: "q", answers: [], is_impossible: true },
        { id: "2", question: "q", answers: [{ text: "six", answer_start: 0 }] },
      ]),
    );
    const result = await readExamples("question-answering", path);
    expect(result.examples.map(({ id, answers }) => [id, answers])).toEqual([["1", []]]);
    expect(result.badRows).toHaveLength(1);
    expect(result.badRows[0]!.line).toBeGreaterThan(1);
    expect(result.badRows[0]!.reason).toContain('question 2: must have an answer in its context, but "six"');
  });

  test("flat records hold the same", async () => {
    const row = { id: "1", question: "q", context: "one two", answers: { text: ["two"], answer_start: [4] } };
    const path = await file("flat.jsonl", JSON.stringify(row));
    const [example] = (await readExamples("question-answering", path)).examples;
    expect(example!.answers).toEqual([{ text: "two", answerStart: 4 }]);
  });

  test("another layout is refused", async () => {
    const path = await file("other.json", "[1, 2]");
    expect(await failure(readExamples("question-answering", path))).toMatch(/^data: .*must be SQuAD JSON/);
  });
});

describe("text", () => {
  test("is documents between blank lines for masked language models", async () => {
    const path = await file("book.txt.gz", gzipSync(" One.\nTwo.\n\n\nThree.\n"));
    const documents = [{ sentences: ["One.", "Two."] }, { sentences: ["Three."] }];
    expect((await readExamples("bert-pretraining", path)).examples).toEqual(documents);
    expect((await readExamples("masked-lm", path)).examples).toEqual(documents);
  });

  test("is one document as it stands for causal ones, in pieces that begin with line ends", async () => {
    const text = "First:\nTwo  words\t\n\n\n  Three.\n";
    const { examples } = await readExamples("causal-lm", await file("play.txt", text));
    expect(examples).toEqual([{ sentences: ["First:", "\nTwo  words", "\t\n\n\n  Three.", "\n"] }]);
  });

  test("in JSON lines is a document a row", async () => {
    const path = await file("books.jsonl", '{"body":"a\\nb"}\n{"body":"c"}\n{"body":1}\n');
    const result = await readExamples("masked-lm", path, { textColumn: "body" });
    expect(result.examples).toEqual([{ sentences: ["a", "b"] }, { sentences: ["c"] }]);
    expect(places(result)).toEqual([3]);
    const { examples } = await readExamples("causal-lm", path, { textColumn: "body" });
    expect(examples).toEqual([{ sentences: ["a", "\nb"] }, { sentences: ["c"] }]);
  });

  test("of a folder is that of its files and folders, sorted, other formats and hidden files left out", async () => {
    await mkdir(join(folder, "shelf/b"), { recursive: true });
    await file("shelf/c.txt", "three\n");
    await file("shelf/b/2.jsonl", '{"text":"two"}\n');
    await file("shelf/a.txt.gz", gzipSync("one\n"));
    await file("shelf/.hidden.txt", "no\n");
    await file("shelf/README.md", "no\n");
    await file("shelf/squad.json", "{}");
    const { examples } = await readExamples("masked-lm", join(folder, "shelf"));
    expect(examples.flatMap(({ sentences }) => sentences)).toEqual(["one", "two", "three"]);
    const wrong = readExamples("question-answering", join(folder, "shelf/b"), { strict: true });
    await expect(wrong).rejects.toThrow(/must have/);
    await mkdir(join(folder, "empty"));
    expect(await failure(readExamples("masked-lm", join(folder, "empty")))).toMatch(
      /^data: .*empty: the folder must hold a file of a format for this task \(text, csv/,
    );
  });
});

describe("damaged or unsuitable files", () => {
  test("a byte order mark is left out, and lines that are not UTF-8 are bad rows", async () => {
    const bytes = Buffer.concat([
      Buffer.from("\ufefftext\tlabel\na\t0\n"),
      Buffer.from([0xff, 9, 0x31, 10]),
      Buffer.from("b\t1\n"),
    ]);
    const result = await readExamples("text-classification", await file("bytes.tsv", bytes));
    expect(result.examples.map(({ text }) => text)).toEqual(["a", "b"]);
    expect(result.badRows.map(({ line, reason }) => [line, reason])).toEqual([[3, "is not valid UTF-8"]]);
  });

  test.each([
    ["empty.csv", "", /is empty/],
    ["header.csv", "text,label\n", /holds no example .* it has no rows/],
    ["missing.csv", "body,label\na,1\n", /must have a text column .* its columns are "body", "label"/],
    ["twice.csv", "text,text\na,1\n", /"text" twice/],
    [
      "allbad.csv",
      "text,label\n,1\n,2\n",
      /all 2 rows are bad, the first: .*allbad\.csv:2: text must be a text/,
    ],
    ["wide.csv", Buffer.from("\ufeffa,b", "utf16le"), /UTF-16/],
    ["damaged.csv.gz", gzipSync("text,label\na,1\n").subarray(0, 20), /damaged gzip/],
    ["lines.txt", "a\n", /text does not hold examples of this task; use csv, tsv, jsonl/],
  ])("%s is one clear error", async (name, content, message) => {
    const reading = readExamples("text-classification", await file(name, content));
    expect(await failure(reading)).toMatch(/^data: /);
    expect(await failure(reading)).toMatch(message);
  });

  test("a missing file and an unknown extension are named", async () => {
    const missing = readExamples("masked-lm", join(folder, "none.txt"));
    expect(await failure(missing)).toMatch(/^not_found: .*none\.txt: there is no such file/);
    await expect(readExamples("masked-lm", join(folder, "x.doc"))).rejects.toThrow(
      /extension must be one of csv/,
    );
  });

  test("a column that is named must be there", async () => {
    const path = await file("named.csv", "text,label\na,1\n");
    const reading = readExamples("text-classification", path, { textColumn: "body" });
    await expect(reading).rejects.toThrow(/must have the column "body", but its columns are "text", "label"/);
  });

  test("strict stops at the first bad row", async () => {
    const path = await file("strict.tsv", "text\tlabel\na\t1\nb\nc\n");
    const reading = readExamples("text-classification", path, { strict: true });
    expect(await failure(reading)).toMatch(/^data: .*strict\.tsv:3: must have 2 cells/);
  });
});
