/** What the commands that serve share: their settings, guards, listening, and an end that loses no request. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { providers } from "../runtime/providers.ts";
import { computePrecisions } from "../runtime/session.ts";
import { KeyRing } from "../serve/access/key-ring.ts";
import { assertGuarded, isLoopback } from "../serve/access/listen-rule.ts";
import { type AdminControls, buildAdmin } from "../serve/admin-server.ts";
import type { Guard, Serving } from "../serve/http-server.ts";
import { defaultLimits, type Limits } from "../serve/limits.ts";
import type { ServerMetrics } from "../serve/metrics.ts";
import type { ModelPool } from "../serve/model-pool.ts";
import { addGrpc } from "../serve/protocol/grpc-front.ts";
import { logLevels } from "../serve/request-log.ts";
import type { ServerOptions } from "../serve/server.ts";
import { startTracing } from "../serve/tracing.ts";
import { createCommand, interruptSignal, runs } from "./command.ts";
import { deviceOptions } from "./device-options.ts";
import type { Output } from "./output.ts";
import {
  addSettings,
  flag,
  list,
  positive,
  readSettings,
  type Settings,
  setting,
  text,
  type Values,
  wholeFrom,
} from "./settings.ts";

const port = wholeFrom(0);
const hidden = (): string => "(hidden)";

/** Where to listen, who may ask, what is told. */
export const serverSettings = {
  host: setting("--host <address>", "address to listen on; 0.0.0.0 for all", text.default("127.0.0.1")),
  port: setting("--port <number>", "port; 0 lets the system choose", port.default(8080)),
  keys: setting("--keys <file>", "callers need a key of this file (tesserae keys)", text.optional()),
  auth: setting("--no-auth", "let others than this machine ask without a key", flag.default(true)),
  adminPort: setting("--admin-port <number>", "port for swaps, rules, drain; default: none", port.optional()),
  adminHost: setting("--admin-host <address>", "address of the admin port", text.default("127.0.0.1")),
  logLevel: setting(
    "--log-level <level>",
    `of the log on standard error: ${logLevels.join(", ")}`,
    z.enum(logLevels, `must be one of ${logLevels.join(", ")}`).default("warn"),
  ),
  traces: setting(
    "--traces <address>",
    "send spans there, such as http://localhost:4318/v1/traces",
    text.optional(),
  ),
  drainNotice: setting(
    "--drain-notice <seconds>",
    "go on answering for so long after the end was asked for, so that balancers notice",
    positive.default(0),
  ),
  drainTimeout: setting(
    "--drain-timeout <seconds>",
    "then wait so long for requests that have arrived",
    positive.default(30),
  ),
  maxBodyBytes: limit("--max-body-bytes <bytes>", "of a request to a model of texts", "maxBodyBytes"),
  maxImageBytes: limit(
    "--max-image-bytes <bytes>",
    "of a picture, and of a request with some",
    "maxImageBytes",
  ),
  maxImages: limit("--max-images <number>", "pictures of one request", "maxImages"),
  maxInputs: limit("--max-inputs <number>", "inputs of one request", "maxInputs"),
  maxCharacters: limit("--max-characters <number>", "characters of one text", "maxCharacters"),
  maxQueue: limit("--max-queue <number>", "inputs that wait for one model", "maxQueue"),
} as const satisfies Settings;

/** Models of the process's own. */
export const modelSettings = {
  model: setting(
    "--model <name...>",
    "open these at once; the store's and bundled ones are served too",
    list.default([]),
  ),
  threads: setting("--threads <number>", "threads of each model; default: all", wholeFrom(1).optional()),
  device: setting(
    "--device <device>",
    `where to compute: ${providers.join(", ")}; default: cuda where it works, else cpu`,
    z.enum(providers, `must be one of ${providers.join(", ")}`).optional(),
  ),
  precision: setting(
    "--precision <precision>",
    "what to compute in: fp32, or fp16, which is for GPUs",
    z.enum(computePrecisions, `must be one of ${computePrecisions.join(", ")}`).optional(),
  ),
  cacheMegabytes: setting(
    "--cache-megabytes <number>",
    "answers kept in memory; 0: every question is computed",
    wholeFrom(0).default(64),
  ),
  redis: setting(
    "--redis <address>",
    "keep answers there too, such as redis://localhost:6379",
    text.optional(),
    withoutPassword,
  ),
} as const satisfies Settings;

export const rulesSetting = setting(
  "--rules <file>",
  "YAML or JSON: which models answer which requests; read again when it changes",
  text.optional(),
);

export const grpcSetting = setting(
  "--grpc-port <number>",
  "answer the Open Inference Protocol over gRPC there too; 0 lets the system choose; default: none",
  port.optional(),
);

/** Adds gRPC where a port is given; returns where it listens. Call it before `listen`. */
export async function addGrpcAt(
  serving: Pick<Serving, "http" | "service">,
  { host, grpcPort }: { readonly host: string; readonly grpcPort?: number | undefined },
  { limits, guard }: { readonly limits: Limits; readonly guard: Guard },
): Promise<{ grpc?: string }> {
  if (grpcPort === undefined) return {};
  const address = { host, port: grpcPort };
  return { grpc: `${host}:${await addGrpc(serving, { address, limits, keys: guard.keys })}` };
}

/** Lets a name mean another version, on request. */
export const swapIn =
  (pool: ModelPool) =>
  async (name: string, ref: string | undefined): Promise<string> =>
    (await pool.swap(name, ref)).model.ref;

/** "Tesserae answers on … and over gRPC on …". */
export const showAddresses = (url: string, { grpc }: { readonly grpc?: string }): string =>
  `Tesserae answers on ${url}${grpc === undefined ? "" : `, over gRPC on ${grpc}`}`;

/** A key that this process sends to others. */
export const workerKeySetting = setting(
  "--worker-key <key>",
  "the key that workers ask for; better given as TESSERAE_SERVE_WORKER_KEY",
  text.optional(),
  hidden,
);

type ServerValues = Values<typeof serverSettings>;
type ModelValues = Values<typeof modelSettings>;

function limit(typed: string, help: string, name: keyof Limits) {
  return setting(typed, help, wholeFrom(1).default(defaultLimits[name]));
}

function withoutPassword(address: string | undefined): string | undefined {
  return address?.replace(/:\/\/[^@/]*@/, "://(hidden)@");
}

const log = (line: string): void => void process.stderr.write(line);

/** What every server takes of the settings. */
export type CommonOptions = Awaited<ReturnType<typeof commonOptions>>;

/** @throws ConfigError when strangers could ask without a key. */
async function commonOptions(values: ServerValues) {
  const { host, keys, auth, logLevel } = values;
  assertGuarded({ host, hasKeys: keys !== undefined, noAuth: !auth });
  const ring = keys === undefined ? undefined : await KeyRing.watch(keys, (message) => log(`${message}\n`));
  const guard: Guard = { keys: ring, isLocal: ring === undefined && auth && isLoopback(host) };
  const { maxBodyBytes, maxImageBytes, maxImages, maxInputs, maxCharacters, maxQueue } = values;
  const limits: Limits = { maxBodyBytes, maxImageBytes, maxImages, maxInputs, maxCharacters, maxQueue };
  return { guard, limits, log, logLevel };
}

export const modelOptions = ({ model, cacheMegabytes, redis, ...device }: ModelValues): ServerOptions => ({
  models: model,
  session: deviceOptions(device),
  cache: cacheMegabytes > 0 && { maxBytes: cacheMegabytes * 2 ** 20, redisUrl: redis },
});

/** The server's address once it listens. @throws ConfigError when the port is taken or not allowed. */
async function listen(
  server: FastifyInstance,
  { host, port: wanted }: Pick<ServerValues, "host" | "port">,
): Promise<string> {
  try {
    return await server.listen({ host, port: wanted });
  } catch (cause) {
    await server.close();
    const { code } = cause as NodeJS.ErrnoException;
    const reason = code === "EADDRINUSE" ? "another program listens there" : (cause as Error).message;
    throw new ConfigError(`serve: cannot listen on ${host}:${wanted}: ${reason}; choose another --port`, {
      cause,
    });
  }
}

/** A server that is ready to listen. */
export interface Started {
  readonly http: FastifyInstance;
  readonly state: { isClosing: boolean };
  readonly metrics: ServerMetrics;
  readonly controls: Omit<AdminControls, "drain">;
  /** What the command's result says beside the address. */
  readonly told: Readonly<Record<string, unknown>>;
  /** The sentence for people, with the address. */
  readonly show: (url: string) => string;
  readonly close: () => Promise<void>;
}

export interface ServerCommand<Table extends Settings> {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  /** Beside `serverSettings`. */
  readonly settings: Table;
  readonly start: (values: ServerValues & Values<Table>, common: CommonOptions) => Promise<Started>;
}

/** A command that reads its settings, starts a server and serves until it is told to end. */
export function serverCommand<Table extends Settings>(definition: ServerCommand<Table>): Command {
  const { name, summary, examples, start } = definition;
  const settings = { ...serverSettings, ...definition.settings };
  const command = addSettings(createCommand(name, summary, examples), settings);
  return runs<{ printConfig?: boolean }, []>(command, async ({ options, output }) => {
    const read = await readSettings(command, settings);
    if (options.printConfig) {
      output.result(read.document, read.shown);
      return 0;
    }
    const values = read.values as ServerValues & Values<Table>;
    const common = await commonOptions(values);
    const endTracing = await beginTracing(name, values);
    const started = await start(values, common);
    const url = await listen(started.http, values);
    output.result({ url, ...started.told }, started.show(url));
    const close = async (): Promise<void> => {
      await started.close();
      common.guard.keys?.close();
      await endTracing();
    };
    return runUntilStopped(values, { ...started, guard: common.guard, close }, output);
  });
}

/** What runs, and how it ends. */
type Running = Pick<Started, "state" | "metrics" | "controls" | "close"> & { readonly guard: Guard };

/** Begins to send spans, where settings say where to. */
async function beginTracing(name: string, { traces }: ServerValues): Promise<() => Promise<void>> {
  if (traces === undefined) return async () => undefined;
  return startTracing({ endpoint: traces, service: `tesserae-${name}` });
}

/**
 * Serves until Ctrl-C, SIGTERM or the admin port says to end: not ready any more, then a notice in which all is answered
 * as before, then the end of the server. Returns the exit code: 1 where requests were left at the time-out.
 */
async function runUntilStopped(values: ServerValues, running: Running, output: Output): Promise<number> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const admin = await listenAdmin(values, running, stop);
  const signals = interruptSignal(stop);
  await stopped;
  output.note("stopping: requests that have arrived are answered first");
  running.state.isClosing = true;
  await sleep(values.drainNotice * 1000);
  const closed = running.close().then(() => true);
  const isDone = await Promise.race([closed, sleep(values.drainTimeout * 1000, false, { ref: false })]);
  await admin?.close();
  signals.dispose();
  if (isDone) return 0;
  output.note(`stopped after ${values.drainTimeout} s with requests under way; see --drain-timeout`);
  process.exit(1);
}

async function listenAdmin(
  { adminPort, adminHost, auth }: ServerValues,
  { controls, metrics, guard }: Running,
  drain: () => void,
): Promise<FastifyInstance | undefined> {
  if (adminPort === undefined) return undefined;
  assertGuarded({ host: adminHost, hasKeys: guard.keys !== undefined, noAuth: !auth });
  const admin = buildAdmin({ controls: { ...controls, drain }, metrics, keys: guard.keys, log });
  const url = await listen(admin, { host: adminHost, port: adminPort });
  log(`${JSON.stringify({ level: 30, msg: `the admin port is ${url}` })}\n`);
  return admin;
}
