/** A worker: models of its own behind gRPC for gateways, and HTTP for health, metrics and people. */

import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { defaultLimits, parseBody } from "../limits.ts";
import { piecesOf } from "../protocol/generated-events.ts";
import {
  addV2Service,
  closeGrpc,
  createGrpcServer,
  type GrpcAddress,
  listenGrpc,
} from "../protocol/v2-grpc.ts";
import { buildServing, type ServerOptions } from "../server.ts";
import { addControl, type Controls } from "./control.ts";

export interface WorkerServer {
  /** Not listening yet. */
  readonly http: FastifyInstance;
  readonly grpcPort: number;
  /** Tells gateways that it ends, answers all that has arrived, and ends. */
  close(): Promise<void>;
}

/** In which every gateway has asked for the status once and sends nothing more. */
const noticeMs = 1200;

/** Listens for gateways at once. @throws ConfigError as `buildServer`, and when the port is taken. */
export async function startWorker(options: ServerOptions, address: GrpcAddress): Promise<WorkerServer> {
  const serving = await buildServing(options);
  const limits = { ...defaultLimits, ...options.limits };
  const grpc = createGrpcServer(Math.ceil((limits.maxImageBytes * 4) / 3));
  const controls: Controls = {
    isReady: () => serving.service.isReady(),
    models: () => serving.pool.status(),
    swap: async (name, ref) => (await serving.pool.swap(name, ref)).model.ref,
    stream: async function* (ref, question, terms) {
      const host = await serving.models.host(ref);
      return yield* piecesOf(host, parseBody(JSON.parse(question), limits), terms);
    },
  };
  addV2Service(grpc, serving.service, (error) => serving.http.log.error(error));
  addControl(grpc, controls);
  const grpcPort = await listenGrpc(grpc, address);
  return {
    http: serving.http,
    grpcPort,
    close: async () => {
      serving.state.isClosing = true;
      await sleep(noticeMs);
      await closeGrpc(grpc);
      await serving.http.close();
    },
  };
}
