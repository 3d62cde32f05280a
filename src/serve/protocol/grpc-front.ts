/** gRPC beside a server's HTTP, until that closes: the Open Inference Protocol, and health for probes. */

import type { Server } from "@grpc/grpc-js";
import { askForKey } from "../access/grpc-guard.ts";
import type { KeyRing } from "../access/key-ring.ts";
import type { Serving } from "../http-server.ts";
import type { Limits } from "../limits.ts";
import { addHealthService } from "./health-grpc.ts";
import { addV2Service, closeGrpc, createGrpcServer, type GrpcAddress, listenGrpc } from "./v2-grpc.ts";

export interface GrpcFrontOptions {
  readonly address: GrpcAddress;
  readonly limits: Limits;
  /** Callers need one of these; default: everybody may call. */
  readonly keys?: KeyRing | undefined;
  /** Adds further services. */
  readonly addServices?: (server: Server) => void;
}

/** Listens, and returns the port. Call it before the HTTP server listens. @throws ConfigError when the port is taken. */
export async function addGrpc(
  { http, service }: Pick<Serving, "http" | "service">,
  { address, limits, keys, addServices }: GrpcFrontOptions,
): Promise<number> {
  const server = createGrpcServer(Math.ceil((limits.maxImageBytes * 4) / 3), keys && [askForKey(keys)]);
  addV2Service(server, service, (error) => http.log.error(error));
  const ending = new AbortController();
  addHealthService(server, service, { keys, ending: ending.signal });
  addServices?.(server);
  http.addHook("preClose", () => {
    ending.abort();
    return closeGrpc(server);
  });
  return listenGrpc(server, address);
}
