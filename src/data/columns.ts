/** Which column of a table plays which part. */

import { ConfigError } from "../errors.ts";
import type { Table } from "./table.ts";

/** Names that are recognised, in this order, whatever their case and punctuation. */
const knownNames = {
  text: ["text", "sentence", "review", "content", "sentence1", "premise", "sentencea", "question1", "text1"],
  pair: ["textpair", "sentence2", "hypothesis", "sentenceb", "question2", "text2"],
  label: ["label", "labels", "category", "class", "intent", "sentiment", "goldlabel", "score", "similarity"],
  tokens: ["tokens", "words"],
  tags: ["tags", "nertags", "labels", "slots"],
  spans: ["entities", "spans", "slots", "annotations", "label", "labels"],
  prompt: ["prompt", "context", "premise", "startphrase", "sent1", "ctx", "question"],
  answer: ["label", "answer", "gold", "answerkey"],
  image: ["image", "imagepath", "path", "file", "filename", "filepath", "img"],
  source: ["source", "src", "sourcetext", "input", "text"],
  target: ["target", "tgt", "targettext", "translation", "output"],
  question: ["question", "query"],
  answers: ["answers", "answer", "directanswers"],
  caption: ["captions", "caption", "sentences", "sentence", "text", "alttext", "alt", "description", "title"],
} as const;

export type ColumnRole = keyof typeof knownNames;

/** What columns are looked for in. */
type Columns = Pick<Table, "file" | "columns">;

/** A name without case and punctuation. */
export const plainName = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, "");

/** The column with this role, `undefined` where no name is recognised. @throws ConfigError when `given` is missing. */
export function findColumn(table: Columns, role: ColumnRole, given?: string): string | undefined {
  if (given !== undefined) return requireColumn(table, given);
  for (const known of knownNames[role]) {
    const found = table.columns.find((name) => plainName(name) === known);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The name itself. @throws ConfigError listing the columns there are when none has it. */
export function requireColumn(table: Columns, name: string): string {
  if (table.columns.includes(name)) return name;
  throw missing(table, `the column "${name}"`);
}

/** As `findColumn`. @throws ConfigError listing the columns there are when none is recognised. */
export function needColumn(table: Columns, role: ColumnRole, given?: string): string {
  const found = findColumn(table, role, given);
  if (found !== undefined) return found;
  throw missing(table, `a ${role} column (${knownNames[role].slice(0, 4).join(", ")} …)`);
}

function missing({ file, columns }: Columns, what: string): ConfigError {
  const found = columns.map((name) => `"${name.slice(0, 40)}"`).join(", ") || "none";
  return new ConfigError(
    `${file}: must have ${what}, but its columns are ${found}; name the column, or all of them where the file has no header`,
    { code: "data" },
  );
}
