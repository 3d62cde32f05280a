/** A worker: models of its own behind gRPC for gateways, and HTTP for health, metrics and people. */

import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { defaultLimits, parseBody } from "../limits.ts";
import { piecesOf } from "../protocol/generated-events.ts";
import { addGrpc } from "../protocol/grpc-front.ts";
import type { GrpcAddress } from "../protocol/v2-grpc.ts";
import { buildServing, type OwnServing, type ServerOptions } from "../server.ts";
import { addControl, type Controls } from "./control.ts";

export interface WorkerServer {
  /** Not listening yet. */
  readonly http: FastifyInstance;
  readonly grpcPort: number;
  readonly serving: OwnServing;
  /** Tells gateways that it ends, answers all that has arrived, and ends. */
  close(): Promise<void>;
}

/** In which every gateway has asked for the status once and sends nothing more. */
const noticeMs = 1200;

/** Listens for gateways at once. @throws ConfigError as `buildServer`, and when the port is taken. */
export async function startWorker(options: ServerOptions, address: GrpcAddress): Promise<WorkerServer> {
  const serving = await buildServing(options);
  const limits = { ...defaultLimits, ...options.limits };
  const controls: Controls = {
    isReady: () => serving.service.isReady(),
    models: () => serving.pool.status(),
    swap: async (name, ref) => (await serving.pool.swap(name, ref)).model.ref,
    stream: async function* (ref, question, terms) {
      const host = await serving.models.host(ref);
      return yield* piecesOf(host, parseBody(JSON.parse(question), limits), terms);
    },
  };
  const grpcPort = await addGrpc(serving, {
    address,
    limits,
    keys: options.guard?.keys,
    addServices: (server) => addControl(server, controls),
  });
  return {
    http: serving.http,
    grpcPort,
    serving,
    close: async () => {
      serving.state.isClosing = true;
      await sleep(noticeMs);
      await serving.http.close();
    },
  };
}
