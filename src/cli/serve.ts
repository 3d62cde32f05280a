/** `tesserae serve`: models over HTTP, with a page to try them. */

import type { Command } from "commander";
import type { FastifyInstance } from "fastify";
import { ConfigError } from "../errors.ts";
import { buildServer } from "../serve/server.ts";
import { createCommand, interruptSignal, runs, wholeNumber } from "./command.ts";

interface ServeOptions {
  readonly model: string[];
  readonly host: string;
  readonly port: number;
  readonly threads?: number;
}

/** A port is asked for by number; 0 lets the system choose. */
const defaultPort = 8080;

export function serveCommand(): Command {
  const command = createCommand("serve", "Answer predictions over HTTP; the page at / tries them.", [
    "serve",
    "serve --model reviews@2 --model ./my-model --port 9000",
  ])
    .option("--model <name...>", "open these at once; the store's and bundled ones are served too", [])
    .option("--host <address>", "address to listen on; 0.0.0.0 for all", "127.0.0.1")
    .option("--port <number>", "port; 0 lets the system choose", wholeNumber(0), defaultPort)
    .option("--threads <number>", "threads of each model; default: all", wholeNumber(1));
  return runs<ServeOptions, []>(command, async ({ options, output }) => {
    const { threads, host, port } = options;
    const server = await buildServer({
      models: options.model,
      ...(threads !== undefined && { session: { threads } }),
      log: (line) => process.stderr.write(line),
    });
    const url = await listen(server, host, port);
    output.result({ url }, `Tesserae answers on ${url}`);
    await interrupted(() => output.note("stopping: requests that have arrived are answered first"));
    await server.close();
    return 0;
  });
}

/** The server's address once it listens. @throws ConfigError when the port is taken or not allowed. */
async function listen(server: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (cause) {
    await server.close();
    const { code } = cause as NodeJS.ErrnoException;
    const reason = code === "EADDRINUSE" ? "another program listens there" : (cause as Error).message;
    throw new ConfigError(`serve: cannot listen on ${host}:${port}: ${reason}; choose another --port`, {
      cause,
    });
  }
}

/** Resolves at the first Ctrl-C or SIGTERM. */
function interrupted(onInterrupt: () => void): Promise<void> {
  return new Promise((resolve) => {
    interruptSignal(() => {
      onInterrupt();
      resolve();
    });
  });
}
