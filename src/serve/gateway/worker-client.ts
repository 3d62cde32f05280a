/** Calls from a gateway to one worker: status and swaps of Tesserae's own, predictions by the Open Inference Protocol. */

import {
  type ClientOptions,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { RuntimeFailure, TesseraeError } from "../../errors.ts";
import type { GenerationDetails } from "../../tasks/text-generation.ts";
import { sendKey } from "../access/grpc-guard.ts";
import type { ModelStatus } from "../model-pool.ts";
import type { Question } from "../model-worker.ts";
import { errorOfStatus } from "../protocol/grpc-errors.ts";
import type { V2CallOptions, V2Client } from "../protocol/v2-client.ts";
import { GrpcV2Client } from "../protocol/v2-client-grpc.ts";
import {
  ControlService,
  type PieceMessage,
  type StatusMessage,
  type StreamMessage,
  type SwapMessage,
} from "./control.ts";

export interface WorkerStatus {
  readonly isReady: boolean;
  readonly models: readonly ModelStatus[];
}

/** One worker, as the fleet sees it. */
export interface WorkerClient extends Pick<V2Client, "infer" | "modelMetadata" | "close"> {
  status(timeoutMs: number): Promise<WorkerStatus>;
  /** `name` means `ref` from now on, its newest version by default. Returns the reference that answers. */
  swap(name: string, ref: string | undefined, timeoutMs: number): Promise<string>;
  /** What follows a text, in pieces. */
  stream(
    model: string,
    question: Question,
    options: V2CallOptions,
  ): AsyncGenerator<string, GenerationDetails>;
}

/** A worker that was away is found again within a second. */
const reconnecting: ClientOptions = {
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1000,
};

/**
 * Connects to `host:port` when it is first called. Servers that are not Tesserae's, such as Triton, cannot list their
 * models: they are asked for those of `knownModels`. `key` is sent with every call, where the worker asks for one.
 */
export function connectWorker(
  address: string,
  knownModels: () => readonly string[],
  key?: string,
): WorkerClient {
  const channel = { ...reconnecting, ...(key !== undefined && { interceptors: [sendKey(key)] }) };
  const control = new ControlService(address, credentials.createInsecure(), channel);
  const v2 = new GrpcV2Client(address, { channel });
  const ask = <Answer>(method: "Status" | "Swap", message: object, timeoutMs: number): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const deadline = { deadline: Date.now() + timeoutMs };
      control[method]!(message, deadline, (error: ServiceError | null, answer: Answer) =>
        error ? reject(errorOfStatus(error, `worker ${address}`)) : resolve(answer),
      );
    });
  return {
    infer: (...args) => v2.infer(...args),
    modelMetadata: (...args) => v2.modelMetadata(...args),
    status: async (timeoutMs) => {
      try {
        const { ready, models } = await ask<StatusMessage>("Status", {}, timeoutMs);
        return { isReady: ready, models: models.map((model) => JSON.parse(model) as ModelStatus) };
      } catch (error) {
        if (!(error instanceof TesseraeError) || error.code !== "unsupported") throw error;
        return foreignStatus(v2, knownModels(), timeoutMs);
      }
    },
    swap: async (name, ref = "", timeoutMs) =>
      (await ask<{ ref: string }>("Swap", { name, ref } satisfies SwapMessage, timeoutMs)).ref,
    stream: (model, question, options) => {
      const { signal, deadlineMs, headers = {} } = options;
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      const message = { model, question: JSON.stringify(question) } satisfies StreamMessage;
      const deadline = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      const call: ClientReadableStream<PieceMessage> = control.Stream!(message, metadata, deadline);
      return piecesOf(call, signal, `worker ${address}`);
    },
    close: () => {
      control.close();
      v2.close();
    },
  };
}

async function* piecesOf(
  call: ClientReadableStream<PieceMessage>,
  signal: AbortSignal | undefined,
  where: string,
): AsyncGenerator<string, GenerationDetails> {
  const cancel = (): void => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  if (signal?.aborted) cancel();
  try {
    for await (const { piece, text, details } of call as AsyncIterable<PieceMessage>) {
      if (piece === "details") return JSON.parse(details!) as GenerationDetails;
      yield text!;
    }
    throw new RuntimeFailure(`${where}: a stream ended before its end`, { code: "interrupted" });
  } catch (error) {
    throw error instanceof TesseraeError ? error : errorOfStatus(error as ServiceError, where);
  } finally {
    signal?.removeEventListener("abort", cancel);
    cancel();
  }
}

async function foreignStatus(
  v2: V2Client,
  names: readonly string[],
  deadlineMs: number,
): Promise<WorkerStatus> {
  const isReady = await v2.isReady({ deadlineMs });
  const isHere = await Promise.all(
    names.map((name) => v2.isModelReady({ name }, { deadlineMs }).catch(() => false)),
  );
  const models = names
    .filter((_, at) => isHere[at])
    .map((name) => ({ name, ref: name, source: "folder", state: "ready", queueLength: 0 }) as const);
  return { isReady, models };
}

/** Whether an error says that nobody listens at the address or that the connection broke. */
export const connectionLost = (error: unknown): boolean =>
  error instanceof TesseraeError && error.code === "unavailable";
