/**
 * gRPC's standard health service (proto/health.proto), for Kubernetes probes and balancers: the server as a whole is "", a
 * model goes by its name or reference. Nothing serves while the server starts or ends.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Server, ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { RequestError, RuntimeFailure, TesseraeError } from "../../errors.ts";
import { admitCall } from "../access/grpc-guard.ts";
import type { KeyRing } from "../access/key-ring.ts";
import { statusOf } from "./grpc-errors.ts";
import { loadService } from "./v2-proto.ts";
import type { V2Service } from "./v2-service.ts";

/** A client class, whose `service` is the definition that a server implements. */
export const HealthService = loadService("health.proto", "grpc.health.v1", "Health");

/** HealthCheckResponse.ServingStatus. */
export const servingStatus = { serving: 1, notServing: 2, serviceUnknown: 3 } as const;

export interface CheckMessage {
  readonly service: string;
}

export interface StatusMessage {
  readonly status: (typeof servingStatus)[keyof typeof servingStatus];
}

/** Milliseconds after which a watched status is looked at again. */
const lookEveryMs = 500;

export interface HealthOptions {
  /** Who asks for a model needs one of these; "" is for everybody, since probes have none. */
  readonly keys?: KeyRing | undefined;
  /** Ends all watching, which would keep the server from ending. */
  readonly ending: AbortSignal;
}

export function addHealthService(server: Server, service: V2Service, options: HealthOptions): void {
  server.addService(HealthService.service, {
    Check: (call: ServerUnaryCall<CheckMessage, StatusMessage>, done: sendUnaryData<StatusMessage>) =>
      void check(service, options, call).then(
        (answer) => done(null, answer),
        (error) => done(statusOf(error)),
      ),
    Watch: (call: ServerWritableStream<CheckMessage, StatusMessage>) =>
      void watch(service, options, call).catch((error) => call.emit("error", statusOf(error))),
  });
}

type Call = Pick<ServerUnaryCall<CheckMessage, StatusMessage>, "request" | "metadata">;

async function check(service: V2Service, options: HealthOptions, call: Call): Promise<StatusMessage> {
  admit(call, options);
  const status = await healthOf(service, call.request.service);
  if (status !== servingStatus.serviceUnknown) return { status };
  const name = call.request.service.slice(0, 100);
  throw new RequestError(`health: expected "" or the name of a model, got "${name}", which is not here`, {
    code: "not_found",
  });
}

async function watch(
  service: V2Service,
  options: HealthOptions,
  call: ServerWritableStream<CheckMessage, StatusMessage>,
): Promise<void> {
  admit(call, options);
  const left = new AbortController();
  call.on("cancelled", () => left.abort());
  const isOver = AbortSignal.any([left.signal, options.ending]);
  let told: StatusMessage["status"] | undefined;
  while (!left.signal.aborted) {
    const status = await healthOf(service, call.request.service);
    if (status !== told) call.write({ status } satisfies StatusMessage);
    told = status;
    if (options.ending.aborted) throw new RuntimeFailure("health: the server ends", { code: "unavailable" });
    await sleep(lookEveryMs, undefined, { signal: isOver }).catch(() => undefined);
  }
}

function admit({ request, metadata }: Call, { keys }: HealthOptions): void {
  if (keys && request.service !== "") admitCall(keys, metadata, "predict");
}

async function healthOf(service: V2Service, name: string): Promise<StatusMessage["status"]> {
  try {
    const isModelReady = name === "" || (await service.isModelReady({ name }));
    return isModelReady && service.isReady() ? servingStatus.serving : servingStatus.notServing;
  } catch (error) {
    if (!(error instanceof TesseraeError)) throw error;
    return error.code === "not_found" ? servingStatus.serviceUnknown : servingStatus.notServing;
  }
}
