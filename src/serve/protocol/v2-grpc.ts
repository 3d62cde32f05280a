/** The Open Inference Protocol, version 2, over gRPC. */

import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerInterceptor,
  type ServerUnaryCall,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { SpanKind } from "@opentelemetry/api";
import { ConfigError, TesseraeError } from "../../errors.ts";
import { forCaller, inSpan } from "../tracing.ts";
import { statusOf } from "./grpc-errors.ts";
import { termsOf } from "./terms.ts";
import {
  type InferAnswerMessage,
  type InferRequestMessage,
  messageOfAnswer,
  requestOfMessage,
  V2Service as V2ServiceClient,
} from "./v2-proto.ts";
import type { V2Service } from "./v2-service.ts";

export interface GrpcAddress {
  readonly host: string;
  /** 0: the system chooses. */
  readonly port: number;
}

/** A call's request and what is needed to stop it. */
type Call<Request> = ServerUnaryCall<Request, unknown>;

/** A server that takes requests of this size, on which services are added before it listens. */
export const createGrpcServer = (
  maxRequestBytes: number,
  interceptors: readonly ServerInterceptor[] = [],
): Server =>
  new Server({
    "grpc.max_receive_message_length": maxRequestBytes,
    "grpc.max_send_message_length": -1,
    interceptors: [...interceptors],
  });

/** `onDefect` is told of errors that were not thrown on purpose. */
export const addV2Service = (
  server: Server,
  service: V2Service,
  onDefect: (error: unknown) => void = () => undefined,
): void => server.addService(V2ServiceClient.service, methodsOf(service, onDefect));

/** The port it listens on. @throws ConfigError when the port is taken. */
export function listenGrpc(server: Server, { host, port }: GrpcAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (cause, bound) => {
      if (!cause) return resolve(bound);
      const message = `gRPC: cannot listen on ${host}:${port}: ${cause.message}; choose another port`;
      reject(new ConfigError(message, { cause }));
    });
  });
}

/** Takes no new calls, and resolves when those under way are answered. */
export function closeGrpc(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.tryShutdown((error) => (error ? reject(error) : resolve()));
  });
}

function methodsOf(service: V2Service, onDefect: (error: unknown) => void): UntypedServiceImplementation {
  const answers =
    <Request>(answer: (call: Call<Request>) => unknown): handleUnaryCall<Request, unknown> =>
    async (call, done) => {
      try {
        done(null, await answer(call));
      } catch (error) {
        if (!(error instanceof TesseraeError)) onDefect(error);
        done(statusOf(error));
      }
    };
  type Named = { name: string; version: string };
  return {
    ServerLive: answers(() => ({ live: true })),
    ServerReady: answers(() => ({ ready: service.isReady() })),
    ModelReady: answers<Named>(async ({ request }) => ({ ready: await service.isModelReady(request) })),
    ServerMetadata: answers(() => service.metadata()),
    ModelMetadata: answers<Named>(({ request }) => service.modelMetadata(request)),
    ModelInfer: answers<InferRequestMessage>((call) => infer(service, call)),
  };
}

async function infer(service: V2Service, call: Call<InferRequestMessage>): Promise<InferAnswerMessage> {
  const { request, metadata } = call;
  const controller = new AbortController();
  call.on("cancelled", () => controller.abort());
  const model = { name: request.model_name, version: request.model_version };
  const header = (name: string): unknown => metadata.get(name)[0]?.toString();
  const options = { ...termsOf(header), ...deadlineOf(call), signal: controller.signal };
  const answer = await forCaller(header, () =>
    inSpan(
      "ModelInfer",
      { "rpc.system": "grpc", "rpc.service": "inference.GRPCInferenceService" },
      () => service.infer(model, requestOfMessage(request), options),
      SpanKind.SERVER,
    ),
  );
  return messageOfAnswer(answer);
}

/** The call's own deadline goes before one that the metadata states. */
function deadlineOf(call: Call<unknown>): { deadlineMs?: number } {
  const deadline = Number(call.getDeadline());
  return Number.isFinite(deadline) ? { deadlineMs: Math.max(1, deadline - Date.now()) } : {};
}
