/** Where a command writes: its result on standard output, all else on standard error. */

import { TesseraeError } from "../errors.ts";

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

export interface Streams {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
}

/** One command's output: text for people, or one JSON document and nothing else on standard output. */
export class Output {
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  private readonly isVerbose: boolean;

  constructor(
    { json = false, quiet = false, verbose = false }: CommonOptions,
    private readonly streams: Streams = process,
  ) {
    this.isJson = json;
    this.isQuiet = quiet;
    this.isVerbose = verbose || Boolean(process.env.DEBUG);
  }

  get stdout(): Streams["stdout"] {
    return this.streams.stdout;
  }

  get stderr(): Streams["stderr"] {
    return this.streams.stderr;
  }

  /** The result of the command: `document` with --json, else `text`. */
  result(document: unknown, text: string): void {
    this.streams.stdout.write(`${this.isJson ? JSON.stringify(document, null, 2) : text}\n`);
  }

  /** A part of the result for people that is known early; with --json it waits for `result`. */
  line(text: string): void {
    if (!this.isJson) this.streams.stdout.write(`${text}\n`);
  }

  /** How the work goes, on standard error; silent with --quiet. */
  note(text: string): void {
    if (!this.isQuiet) this.streams.stderr.write(`${text}\n`);
  }

  /** One sentence on standard error, with the stack for --verbose; with --json also a document. */
  failure(error: unknown): void {
    const { code, message } = describeError(error);
    const isDefect = code === "defect";
    const stack = (this.isVerbose || isDefect) && error instanceof Error ? `\n${stackOf(error)}` : "";
    this.streams.stderr.write(`${paint(this.streams.stderr, 31, "error:")} ${message}${stack}\n`);
    if (this.isJson) this.result({ error: { code, message } }, "");
  }
}

/** What an error says to a user. Errors not thrown on purpose are defects. */
export function describeError(error: unknown): { code: string; message: string } {
  if (error instanceof TesseraeError) return { code: error.code, message: error.message };
  return { code: "defect", message: error instanceof Error ? error.message : String(error) };
}

const stackOf = (error: Error): string =>
  error.cause instanceof Error
    ? `${error.stack}\ncaused by: ${stackOf(error.cause)}`
    : (error.stack ?? error.message);

/** True where colours are wanted: a terminal, and NO_COLOR unset or empty. */
export const hasColour = (stream: { readonly isTTY?: boolean }): boolean =>
  stream.isTTY === true && !process.env.NO_COLOR;

/** `text` in the ANSI colour of that number, where the stream shows colours. */
export const paint = (stream: { readonly isTTY?: boolean }, colour: number, text: string): string =>
  hasColour(stream) ? `\u001b[${colour}m${text}\u001b[0m` : text;
