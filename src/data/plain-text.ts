/** Plain text: a sentence (or paragraph) on each line, a blank line between documents; or text as it stands. */

import type { DocumentExample } from "./examples.ts";
import { type BadRow, linesOf, type TextFile } from "./text-file.ts";

interface Documents {
  examples: DocumentExample[];
  badRows: BadRow[];
}

/** Runs of lines between blank lines. */
export function readDocuments(source: TextFile): Documents {
  const badRows: BadRow[] = [];
  const documents: DocumentExample[] = [{ sentences: [] }];
  for (const { text } of linesOf(source, badRows)) {
    if (text.trim() !== "") documents.at(-1)!.sentences.push(text.trim());
    else if (documents.at(-1)!.sentences.length > 0) documents.push({ sentences: [] });
  }
  return { examples: documents.filter(({ sentences }) => sentences.length > 0), badRows };
}

/** The whole file as one document, every space and line end kept. */
export function readVerbatim(source: TextFile): Documents {
  const badRows: BadRow[] = [];
  const lines = linesOf(source, badRows).map(({ text }) => text);
  const document = { sentences: verbatimPieces(`${lines.join("\n")}\n`) };
  return { examples: document.sentences.length > 0 ? [document] : [], badRows };
}

/**
 * A text in pieces that together are the text. They begin with the line ends before them, where byte-level tokenisers
 * cut anyway, so that the pieces have the tokens of the whole.
 */
export const verbatimPieces = (text: string): string[] =>
  text.split(/(?<=\S)(?=\s*\n)/).filter((piece) => piece !== "");
