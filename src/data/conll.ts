/** CoNLL columns: a token and its tag on each line, a blank line between sentences. */

import type { TaggingExample } from "./examples.ts";
import { type BadRow, type Line, linesOf, RowError, type TextFile } from "./text-file.ts";

/**
 * The token is the first column, the tag the last; columns are cut at tabs, or at blanks where a line has no tab.
 * `-DOCSTART-` lines and comments `# key = value` are left out. A bad line makes its sentence bad.
 */
export function readConll(source: TextFile): { examples: TaggingExample[]; badRows: BadRow[] } {
  const badRows: BadRow[] = [];
  const examples: TaggingExample[] = [];
  let sentence: TaggingExample = { tokens: [], tags: [] };
  let bad: BadRow | undefined;
  const finish = () => {
    if (bad) badRows.push(bad);
    else if (sentence.tokens.length > 0) examples.push(sentence);
    sentence = { tokens: [], tags: [] };
    bad = undefined;
  };
  for (const line of linesOf({ ...source, badLines: new Set() }, badRows)) {
    const isBoundary = line.text.trim() === "" || line.text.startsWith("-DOCSTART-");
    if (isBoundary) finish();
    else if (sentence.tokens.length > 0 || !comment.test(line.text)) {
      try {
        addToken(sentence, line, source.badLines);
      } catch (error) {
        bad ??= { file: source.file, line: line.line, reason: (error as RowError).message };
      }
    }
  }
  finish();
  return { examples, badRows };
}

const comment = /^#\s*[\w.]+\s*=/;

function addToken(sentence: TaggingExample, { line, text }: Line, badLines: ReadonlySet<number>): void {
  if (badLines.has(line)) throw new RowError("is not valid UTF-8");
  const cells = text.includes("\t") ? text.split("\t") : text.trim().split(/\s+/);
  const [token, tag] = [cells[0], cells.at(-1)?.trim()];
  if (cells.length < 2 || !token || !tag) {
    throw new RowError(`must hold a token and its tag, got "${text.slice(0, 60)}"`);
  }
  sentence.tokens.push(token);
  sentence.tags.push(tag);
}
