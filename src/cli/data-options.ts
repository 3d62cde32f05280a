/** Flags that say how a data file is read; `train` and `eval` have them. */

import { type Command, Option } from "commander";
import type { DataFormat } from "../data/data-files.ts";
import type { ReadOptions } from "../data/read-examples.ts";
import { showBadRow } from "../data/read-examples.ts";
import type { LabelKind } from "../data/records.ts";
import type { BadRow } from "../data/text-file.ts";
import { wholeNumber } from "./command.ts";
import { showCount } from "./format.ts";
import type { Output } from "./output.ts";

export interface DataFlags {
  readonly format?: DataFormat;
  readonly columns?: string[];
  readonly textColumn?: string;
  readonly pairColumn?: string;
  readonly labelColumn?: string;
  readonly labelKind?: LabelKind;
  readonly strict?: boolean;
  readonly maxLength?: number;
}

const formats: readonly DataFormat[] = ["csv", "tsv", "jsonl", "conll", "squad", "text"];
const labelKinds: readonly LabelKind[] = ["single", "multi", "regression"];

export const addDataOptions = (command: Command): Command =>
  command
    .option("--max-length <tokens>", "longest input; default: 128, for questions 384", wholeNumber(8))
    .option("--text-column <name>", "default: text, sentence, review …")
    .option("--pair-column <name>", "default: sentence2, hypothesis …")
    .option("--label-column <name>", "default: label, category, intent …")
    .addOption(new Option("--label-kind <kind>", "default: told from the labels").choices(labelKinds))
    .addOption(new Option("--format <format>", "default: by the file's extension").choices(formats))
    .option("--columns <names>", "columns of a file without a header, with commas", (text) => text.split(","))
    .option("--strict", "stop at the first bad row instead of leaving it out");

/** The flags as the data readers take them; what is not given is left out. */
export function readOptions(flags: DataFlags): ReadOptions & { maxLength?: number } {
  const { format, columns, textColumn, pairColumn, labelColumn, labelKind, strict, maxLength } = flags;
  const options = { format, columns, textColumn, pairColumn, labelColumn, labelKind, strict, maxLength };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Bad rows named one by one before they are only counted. */
const shownBadRows = 5;

/** How many rows there are of each kind, where kinds are told. */
export function countKinds(badRows: readonly BadRow[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of badRows) if (kind !== undefined) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** Tells what of the data is not used as it is. */
export function noteData(output: Output, badRows: readonly BadRow[], truncated: number): void {
  for (const row of badRows.slice(0, shownBadRows)) output.note(`left out ${showBadRow(row)}`);
  if (badRows.length > shownBadRows) {
    const kinds = Object.entries(countKinds(badRows)).map(([kind, count]) => `${kind} ${showCount(count)}`);
    const counts = kinds.length > 0 ? ` (${kinds.join(", ")})` : "";
    output.note(
      `left out ${showCount(badRows.length)} bad rows in all${counts}; --strict stops at the first`,
    );
  }
  if (truncated > 0) output.note(`${showCount(truncated)} examples are cut to --max-length`);
}
