#!/usr/bin/env node
/** The command line `tesserae`: one file per command beside this one. */

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { packageUrl } from "../runtime/package-root.ts";

const { version } = JSON.parse(readFileSync(packageUrl("package.json"), "utf8")) as {
  version: string;
};

/** Commands in the order of the help; a command's modules are loaded when it is called. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  pull: async () => (await import("./pull.ts")).pullCommand(),
  train: async () => (await import("./train.ts")).trainCommand(),
  eval: async () => (await import("./eval.ts")).evalCommand(),
  predict: async () => (await import("./predict.ts")).predictCommand(),
  capfilt: async () => (await import("./capfilt.ts")).capfiltCommand(),
  index: async () => (await import("./make-index.ts")).indexCommand(),
  search: async () => (await import("./search.ts")).searchCommand(),
  explain: async () => (await import("./explain.ts")).explainCommand(),
  serve: async () => (await import("./serve.ts")).serveCommand(),
  worker: async () => (await import("./worker.ts")).workerCommand(),
  gateway: async () => (await import("./gateway.ts")).gatewayCommand(),
  keys: async () => (await import("./keys.ts")).keysCommand(),
  loadtest: async () => (await import("./loadtest.ts")).loadtestCommand(),
  swap: async () => (await import("./swap.ts")).swapCommand(),
  bench: async () => (await import("./bench.ts")).benchCommand(),
  compress: async () => (await import("./compress.ts")).compressCommand(),
  quantize: async () => (await import("./quantize.ts")).quantizeCommand(),
  export: async () => (await import("./export.ts")).exportCommand(),
  info: async () => (await import("./info.ts")).infoCommand(),
  list: async () => (await import("./list.ts")).listCommand(),
  rm: async () => (await import("./rm.ts")).rmCommand(),
  tokenizer: async () => (await import("./tokenizer.ts")).tokenizerCommand(),
  parity: async () => (await import("./parity.ts")).parityCommand(),
  doctor: async () => (await import("./doctor.ts")).doctorCommand(),
};

/** The program with the command called `name`, or with all where there is none; exits become CommanderErrors. */
async function createProgram(name: string | undefined): Promise<Command> {
  const program = new Command("tesserae")
    .description("Define, train, compress, serve and operate Transformer models.")
    .version(version)
    .showHelpAfterError("(add --help for usage)")
    .addHelpText("after", '\nExample:\n  $ tesserae predict sst2 "A film that stays with you"')
    .exitOverride();
  const known = Object.keys(commands).find((command) => command === name);
  for (const create of known ? [commands[known]!] : Object.values(commands)) {
    const command = (await create()).copyInheritedSettings(program);
    for (const inner of command.commands) inner.copyInheritedSettings(command);
    program.addCommand(command);
  }
  return program;
}

// A reader that has seen enough (`tesserae list | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
  throw error;
});

try {
  await (await createProgram(process.argv[2])).parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
