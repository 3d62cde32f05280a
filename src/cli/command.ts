/** What all commands share: their options, their help, and how they end. */

import { Command, InvalidArgumentError, type OptionValues } from "commander";
import type { ErrorCode } from "../errors.ts";
import { TesseraeError } from "../errors.ts";
import { type CommonOptions, Output } from "./output.ts";

/** What a command's function is told beside its arguments. */
export interface Run<Options> {
  readonly options: Options;
  readonly output: Output;
  readonly command: Command;
}

/** A command with the options that all have, and an example under its help. */
export function createCommand(usage: string, summary: string, examples: readonly string[]): Command {
  return new Command(usage.split(" ")[0])
    .usage(`[options] ${usage.split(" ").slice(1).join(" ")}`.trim())
    .description(summary)
    .option("--json", "write one JSON document to standard output and nothing else there")
    .option("--quiet", "no notes and no progress on standard error")
    .option("--verbose", "show stacks of errors")
    .addHelpText("after", `\nExamples:\n${examples.map((example) => `  $ tesserae ${example}`).join("\n")}`);
}

/** Errors that say the call was wrong (exit code 2); all others say that the work failed (1). */
const callErrors: readonly ErrorCode[] = ["config", "request", "not_found"];

/**
 * Makes `work` the command's action. It returns the exit code, 0 by default; an error it throws is told in one
 * sentence and decides the code.
 */
export function runs<Options extends OptionValues, Args extends unknown[]>(
  command: Command,
  work: (run: Run<Options & CommonOptions>, ...args: Args) => Promise<number | undefined>,
): Command {
  return command.action(async (...values: unknown[]) => {
    const options = command.opts<Options & CommonOptions>();
    const output = new Output(options);
    try {
      const args = values.slice(0, -2) as Args;
      process.exitCode = (await work({ options, output, command }, ...args)) ?? 0;
    } catch (error) {
      output.failure(error);
      process.exitCode = error instanceof TesseraeError && callErrors.includes(error.code) ? 2 : 1;
    }
  });
}

/** Parsers of option values for commander; each throws an InvalidArgumentError that says what must hold. */
export const wholeNumber =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least}.`);
  };

export const numberFrom =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a number from ${least}.`);
  };

export const wholeNumbers =
  (least: number) =>
  (text: string): number[] =>
    text.split(",").map(wholeNumber(least));

/**
 * A signal that the first Ctrl-C (or SIGTERM) aborts, so that work can end cleanly; the second ends the process.
 * Call `dispose` when the work is done.
 */
export function interruptSignal(onInterrupt: () => void): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(1);
    controller.abort();
    onInterrupt();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  return {
    signal: controller.signal,
    dispose: () => void process.off("SIGINT", stop).off("SIGTERM", stop),
  };
}

/** The command as it was called, for the lineage and for resuming. */
export const commandLine = (): string => ["tesserae", ...process.argv.slice(2).map(quoted)].join(" ");

const quoted = (argument: string): string =>
  /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
