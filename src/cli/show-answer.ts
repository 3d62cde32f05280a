/** Answers of any task as lines for people. */

import type { PredictInput } from "./predict-inputs.ts";

/** What answers hold; each task has some of these. */
interface Scored {
  readonly score?: number;
  readonly label?: string;
  readonly answer?: string;
  readonly sequence?: string;
  readonly word?: string;
  readonly entity?: string;
  readonly entity_group?: string;
  readonly choice?: string;
  readonly generated_text?: string;
  readonly translation_text?: string;
}

/** An answer as JSON can hold it: typed arrays become lists. */
export const plainAnswer = (answer: unknown): unknown =>
  JSON.parse(
    JSON.stringify(answer, (_, value: unknown) => (value instanceof Float32Array ? [...value] : value)),
  );

/** One line for a single answer behind its score, or the input and a line for each of several. */
export function showAnswer(input: PredictInput, answer: unknown): string {
  const text = typeof input === "string" ? input : JSON.stringify(input);
  if (!Array.isArray(answer)) return JSON.stringify(plainAnswer(answer));
  const rows = answer.flat() as Scored[];
  const [only] = rows;
  if ((only?.generated_text ?? only?.translation_text) !== undefined)
    return rows.map((row) => row.generated_text ?? row.translation_text).join("\n");
  if (rows.length === 1) return `${showRow(only!)}  ${text}`;
  return [text, ...rows.map((row) => `  ${showRow(row)}`)].join("\n");
}

function showRow({ score, ...row }: Scored): string {
  const tag = row.entity_group ?? row.entity;
  const name = row.label ?? row.answer ?? row.sequence ?? row.choice ?? row.word ?? "";
  return `${score?.toFixed(4) ?? ""} ${name}${tag === undefined ? "" : ` ${tag}`}`.trim();
}
