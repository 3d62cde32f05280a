/** What the commands that serve share: their options, listening, and the wait for Ctrl-C. */

import type { Command } from "commander";
import type { FastifyInstance } from "fastify";
import { ConfigError } from "../errors.ts";
import type { ServerOptions } from "../serve/server.ts";
import { interruptSignal, wholeNumber } from "./command.ts";

export interface AddressFlags {
  readonly host: string;
  readonly port: number;
}

export interface ModelFlags {
  readonly model: string[];
  readonly threads?: number;
  readonly cacheMegabytes: number;
  readonly redis?: string;
}

const defaultPort = 8080;
const defaultCacheMegabytes = 64;

export const addAddressOptions = (command: Command): Command =>
  command
    .option("--host <address>", "address to listen on; 0.0.0.0 for all", "127.0.0.1")
    .option("--port <number>", "port; 0 lets the system choose", wholeNumber(0), defaultPort);

export const addModelOptions = (command: Command): Command =>
  command
    .option("--model <name...>", "open these at once; the store's and bundled ones are served too", [])
    .option("--threads <number>", "threads of each model; default: all", wholeNumber(1))
    .option(
      "--cache-megabytes <number>",
      "answers kept in memory; 0: every question is computed",
      wholeNumber(0),
      defaultCacheMegabytes,
    )
    .option("--redis <address>", "keep answers there too, such as redis://localhost:6379");

export const serverOptions = ({ model, threads, cacheMegabytes, redis }: ModelFlags): ServerOptions => ({
  models: model,
  ...(threads !== undefined && { session: { threads } }),
  cache: cacheMegabytes > 0 && { maxBytes: cacheMegabytes * 2 ** 20, redisUrl: redis },
  log,
});

export const log = (line: string): void => void process.stderr.write(line);

/** The server's address once it listens. @throws ConfigError when the port is taken or not allowed. */
export async function listen(server: FastifyInstance, { host, port }: AddressFlags): Promise<string> {
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
export function interrupted(onInterrupt: () => void): Promise<void> {
  return new Promise((resolve) => {
    interruptSignal(() => {
      onInterrupt();
      resolve();
    });
  });
}
