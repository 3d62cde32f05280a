/** Plain text: a sentence (or paragraph) on each line, a blank line between documents. */

import type { DocumentExample, TextExample } from "./examples.ts";
import { type BadRow, linesOf, type TextFile } from "./text-file.ts";

/** Every line that is not blank. */
export function readLines(source: TextFile): { examples: TextExample[]; badRows: BadRow[] } {
  const badRows: BadRow[] = [];
  const lines = linesOf(source, badRows).map(({ text }) => ({ text: text.trim() }));
  return { examples: lines.filter(({ text }) => text !== ""), badRows };
}

/** Runs of lines between blank lines. */
export function readDocuments(source: TextFile): { examples: DocumentExample[]; badRows: BadRow[] } {
  const badRows: BadRow[] = [];
  const documents: DocumentExample[] = [{ sentences: [] }];
  for (const { text } of linesOf(source, badRows)) {
    if (text.trim() !== "") documents.at(-1)!.sentences.push(text.trim());
    else if (documents.at(-1)!.sentences.length > 0) documents.push({ sentences: [] });
  }
  return { examples: documents.filter(({ sentences }) => sentences.length > 0), badRows };
}
