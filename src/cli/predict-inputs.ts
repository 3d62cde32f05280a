/** What `tesserae predict` asks: texts from the command line, a file or standard input. */

import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { RequestError } from "../errors.ts";

/** A text, or an object of texts such as `{ question, context }`. */
export type PredictInput = string | Readonly<Record<string, unknown>>;

/** @throws RequestError when there is nothing to ask. */
export async function readInputs(
  task: string,
  args: readonly string[],
  stdin: NodeJS.ReadableStream = process.stdin,
): Promise<PredictInput[]> {
  const [first, second] = args;
  if (task === "question-answering" && second !== undefined) {
    return [{ question: first, context: (await fileText(second)) ?? second }];
  }
  if (task === "sentence-similarity" && args.length === 2) return [{ text: first, text_pair: second }];
  if (args.length > 1) return [...args];
  if (first === undefined || first === "-") return parseLines(await readAll(stdin), "standard input");
  const content = await fileText(first);
  return content === undefined ? [first] : parseLines(content, first);
}

/** The text of a file, undefined where there is none of that name. */
async function fileText(path: string): Promise<string | undefined> {
  // A long text is no file name, and asking the system about one fails.
  const isFile = path.length < 1000 && statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  return isFile ? readFile(path, "utf8") : undefined;
}

/** A text on each line that is not blank; a line that is a JSON object is an input of several texts. */
function parseLines(content: string, where: string): PredictInput[] {
  const lines = content.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new RequestError(`${where}: holds no text to predict`);
  return lines.map((line) => (line.startsWith("{") ? (parseObject(line) ?? line) : line));
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
