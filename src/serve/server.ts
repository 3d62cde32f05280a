/** A server of models of its own: those of the store, the bundled ones, and folders. */

import type { FastifyInstance } from "fastify";
import type { SessionOptions } from "../runtime/session.ts";
import { Catalog, type CatalogModel } from "../store/catalog.ts";
import { type CacheOptions, openCache } from "./cache/answer-cache.ts";
import { noRules } from "./gateway/rules.ts";
import { type RulesFile, watchRules } from "./gateway/rules-file.ts";
import { type Guard, type Serving, serveBackend } from "./http-server.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { ServerMetrics } from "./metrics.ts";
import { ModelPool } from "./model-pool.ts";
import type { LogLevel } from "./request-log.ts";
import { addSearchRoute } from "./search-route.ts";
import { ServedIndexes } from "./served-indexes.ts";

export interface ServerOptions {
  /** Default: the store and the bundled models. */
  readonly catalog?: Catalog;
  /** Models to open at once: names, references or folders; served under their name. Default none. */
  readonly models?: readonly string[];
  /** Folders of indexes to search in; served under the folder's name. Default none. */
  readonly indexes?: readonly string[];
  /** A model that matches pictures with texts, for searches that ask for a closer look; default: an index's own. */
  readonly matcher?: string | undefined;
  readonly limits?: Partial<Limits>;
  /** Provider and threads of each model's session. */
  readonly session?: Pick<SessionOptions, "provider" | "forceProvider" | "precision" | "threads">;
  /** Where answers are kept; false: every question is computed. Default: in this process. */
  readonly cache?: CacheOptions | false;
  /** A file of routing rules, read again when it changes. Default: names mean models. */
  readonly rules?: string | undefined;
  /** Who may ask; default everybody. */
  readonly guard?: Guard;
  /** Told each line of the log (JSON); default none is written. */
  readonly log?: (line: string) => void;
  /** Default "warn". */
  readonly logLevel?: LogLevel;
}

/**
 * A server that is not listening yet; bundled models and those named open in the background. Closing it stops
 * accepting connections, answers every request that has arrived, then ends the workers.
 * @throws ConfigError, code not_found, for a name in `models` that is not there; ConfigError for rules that do not hold.
 */
export async function buildServer(options: ServerOptions = {}): Promise<FastifyInstance> {
  return (await buildServing(options)).http;
}

/** A server of models of its own, and what an operator may change of it. */
export interface OwnServing extends Serving {
  readonly pool: ModelPool;
  readonly metrics: ServerMetrics;
  readonly rules: RulesFile | undefined;
}

/** As `buildServer`, with what other protocols than HTTP need, and the models. */
export async function buildServing(options: ServerOptions = {}): Promise<OwnServing> {
  const { catalog = new Catalog(), session } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const asked = options.models ?? [];
  const located = await Promise.all(asked.map((name) => catalog.locate(name)));
  // A folder or a version is served as it is; what a plain name means may change.
  const isPlain = ({ source, name }: CatalogModel, at: number): boolean =>
    source === "store" && asked[at] === name;
  const named = located.filter((model, at) => !isPlain(model, at));
  const tell = (message: string): void => serving.http.log.warn(message);
  const { matcher } = options;
  const indexes = await ServedIndexes.open(options.indexes ?? [], { catalog, session, matcher });
  const rules = options.rules === undefined ? undefined : await watchRules(options.rules, tell);
  const cache = options.cache === false ? undefined : openCache(options.cache);
  const metrics = new ServerMetrics(() => pool.openHosts(), cache?.counts);
  const pool = new ModelPool(catalog, named, {
    maxQueue: limits.maxQueue,
    open: asked.filter((_, at) => isPlain(located[at]!, at)),
    cache,
    ...(session && { session }),
    onBatch: (model, record) => metrics.batch(model, record),
  });
  const serving = serveBackend(pool, {
    limits,
    metrics,
    rules: () => rules?.current ?? noRules,
    guard: options.guard,
    log: options.log,
    logLevel: options.logLevel,
  });
  if (indexes.size > 0) addSearchRoute(serving.http, { indexes, limits, metrics });
  serving.http.addHook("onClose", async () => {
    rules?.close();
    await indexes.release();
    await cache?.close();
  });
  return { ...serving, pool, metrics, rules };
}
