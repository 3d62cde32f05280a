/** Question answering examples from SQuAD's JSON and from flat records. */

import { ConfigError } from "../errors.ts";
import { requireColumn } from "./columns.ts";
import type { QuestionExample } from "./examples.ts";
import { isRecord, type Table } from "./table.ts";
import { type BadRow, convertRows, RowError, type TextFile } from "./text-file.ts";

type Answer = QuestionExample["answers"][number];

/**
 * SQuAD v1.1 and v2 (`is_impossible`). Offsets count code points, as Python does, and become string indices; one that
 * does not fit its answer is moved to the nearest place that does.
 * @throws ConfigError when the file is not of this layout.
 */
export function readSquad(source: TextFile): { examples: QuestionExample[]; badRows: BadRow[] } {
  const { file, text } = source;
  const badRows: BadRow[] = [];
  const questions = parseSquad(source).flatMap((article) =>
    listOf(article, "paragraphs").flatMap((paragraph) =>
      listOf(paragraph, "qas").map((question) => ({
        record: { ...question, context: paragraph.context },
        get line() {
          return lineOf(text, question.id);
        },
      })),
    ),
  );
  const examples = convertRows(file, questions, badRows, ({ record }) => questionFrom(record));
  return { examples, badRows };
}

function parseSquad({ file, text, badLines }: TextFile): Record<string, unknown>[] {
  if (badLines.size > 0) {
    throw new ConfigError(`${file}: line ${[...badLines][0]} is not valid UTF-8`, { code: "data" });
  }
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError(`${file}: is not valid JSON (${(cause as Error).message})`, {
      code: "data",
      cause,
    });
  }
  if (isRecord(root) && Array.isArray(root.data)) return listOf(root, "data");
  throw new ConfigError(`${file}: must be SQuAD JSON, an object with a list "data"`, { code: "data" });
}

const listOf = (record: Record<string, unknown>, key: string): Record<string, unknown>[] => {
  const value = record[key];
  return Array.isArray(value) ? value.filter(isRecord) : [];
};

/** The line that holds a question's id; files on one line have only line 1. */
function lineOf(text: string, id: unknown): number {
  const at = text.indexOf(JSON.stringify(id) ?? "");
  return at < 0 ? 1 : text.slice(0, at).split("\n").length;
}

/** Flat records with the columns id, question, context and answers. @throws ConfigError when one is missing. */
export function questionsFrom(table: Table): (cells: Record<string, unknown>) => QuestionExample {
  for (const column of ["question", "context", "answers"]) requireColumn(table, column);
  return questionFrom;
}

/** A question from `{ id, question, context, answers, is_impossible }`. @throws RowError */
function questionFrom(record: Record<string, unknown>): QuestionExample {
  const { id, question, context } = record;
  const name = id === undefined ? "" : `question ${id}: `;
  if (typeof question !== "string" || question.trim() === "")
    throw new RowError(`${name}question must be a text`);
  if (typeof context !== "string" || context.trim() === "")
    throw new RowError(`${name}context must be a text`);
  const given = answerList(record.answers);
  const located = given.map((answer) => locateAnswer(context, answer));
  const answers = located.filter((answer) => answer !== undefined);
  if (answers.length === 0 && record.is_impossible !== true) {
    const found = given[0] ? `"${given[0].text}" is not in the context` : "no answers and no is_impossible";
    throw new RowError(`${name}must have an answer in its context, but ${found}`);
  }
  return { id: String(id ?? ""), question, context, answers: record.is_impossible === true ? [] : answers };
}

/** Answers as SQuAD's list of objects, or as an object of lists. */
function answerList(value: unknown): Answer[] {
  const pairs = isRecord(value)
    ? zip(value.text, value.answer_start)
    : (Array.isArray(value) ? value : []).map((answer) => [answer?.text, answer?.answer_start]);
  return pairs.flatMap(([text, start]) =>
    typeof text === "string" && text !== ""
      ? [{ text, answerStart: typeof start === "number" ? start : 0 }]
      : [],
  );
}

const zip = (texts: unknown, starts: unknown): unknown[][] =>
  Array.isArray(texts) ? texts.map((text, i) => [text, Array.isArray(starts) ? starts[i] : undefined]) : [];

/** The answer with its string index, `undefined` where the context does not hold it. */
function locateAnswer(context: string, { text, answerStart }: Answer): Answer | undefined {
  const wanted = text.trim();
  const stated = stringIndex(context, answerStart) + text.length - text.trimStart().length;
  if (context.startsWith(wanted, stated)) return { text: wanted, answerStart: stated };
  const before = context.lastIndexOf(wanted, stated);
  const after = context.indexOf(wanted, stated);
  const nearest = after < 0 || (before >= 0 && stated - before <= after - stated) ? before : after;
  return nearest < 0 ? undefined : { text: wanted, answerStart: nearest };
}

/** From a count of code points to a string index. */
function stringIndex(text: string, codePoints: number): number {
  if (!/[\u{10000}-\u{10FFFF}]/u.test(text)) return codePoints;
  let index = 0;
  for (let i = 0; i < codePoints && index < text.length; i++)
    index += text.codePointAt(index)! > 0xffff ? 2 : 1;
  return index;
}
