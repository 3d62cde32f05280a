/** A gateway: HTTP and gRPC in front of workers, with the same routes as a server that has the models itself. */

import type { FastifyInstance } from "fastify";
import { type Guard, type Serving, serveBackend } from "../http-server.ts";
import { defaultLimits, type Limits } from "../limits.ts";
import { ServerMetrics } from "../metrics.ts";
import type { LogLevel } from "../request-log.ts";
import type { Backend } from "../served-models.ts";
import type { Discover } from "./discovery.ts";
import { Fleet } from "./fleet.ts";
import { addFleetGauges } from "./fleet-metrics.ts";
import { RemoteModels } from "./remote-models.ts";
import { noRules, type Rules } from "./rules.ts";
import { type RulesFile, watchRules } from "./rules-file.ts";
import { connectWorker } from "./worker-client.ts";

export interface GatewayOptions {
  readonly discover: Discover;
  readonly limits?: Partial<Limits>;
  /** A file of routing rules, read again when it changes. Default: names mean models. */
  readonly rules?: string | undefined;
  /** Who may ask; default everybody. */
  readonly guard?: Guard;
  /** The key that workers ask for; default none. */
  readonly workerKey?: string | undefined;
  /** Told each line of the log (JSON); default none is written. */
  readonly log?: (line: string) => void;
  /** Default "warn". */
  readonly logLevel?: LogLevel;
}

/** A gateway, and what an operator may change of it. */
export interface GatewayServing extends Serving {
  readonly metrics: ServerMetrics;
  readonly rules: RulesFile | undefined;
}

/**
 * A gateway that is not listening yet; it looks for workers once it is. Ready when a worker is.
 * @throws ConfigError for rules that do not hold.
 */
export async function buildGateway(options: GatewayOptions): Promise<FastifyInstance> {
  return (await buildGatewayServing(options)).http;
}

/** As `buildGateway`, with what its operator needs. */
export async function buildGatewayServing(options: GatewayOptions): Promise<GatewayServing> {
  const { guard, log, logLevel, workerKey } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const tell = (message: string): void => serving.http.log.warn(message);
  const file = options.rules === undefined ? undefined : await watchRules(options.rules, tell);
  const rules = (): Rules => file?.current ?? noRules;
  const fleet = new Fleet({
    discover: options.discover,
    connect: (address) => connectWorker(address, () => Object.keys(rules().models), workerKey),
    maxQueue: limits.maxQueue,
    tell,
  });
  const metrics = new ServerMetrics(() => []);
  addFleetGauges(metrics.registry, fleet);
  const serving = serveBackend(backendOf(fleet), { limits, metrics, rules, guard, log, logLevel });
  serving.http.get("/v1/workers", async () => ({ workers: fleet.workers.map(describeWorker) }));
  serving.http.addHook("onClose", async () => file?.close());
  return { ...serving, metrics, rules: file };
}

function backendOf(fleet: Fleet): Backend {
  const models = new RemoteModels(fleet);
  return {
    host: (ref) => models.host(ref),
    status: () => models.status(),
    live: (ref) => models.live(ref),
    openHosts: () => fleet.models().map((model) => ({ ...model, model })),
    warmUp: () => fleet.start(),
    closeAll: () => fleet.close(),
  };
}

const describeWorker = ({ address, state, limit, models }: Fleet["workers"][number]) => ({
  address,
  state,
  outstanding: limit.outstanding,
  limit: limit.current,
  models: models.map(({ ref }) => ref),
});
