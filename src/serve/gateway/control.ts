/** The service of proto/control.proto: what gateways ask of workers beside the Open Inference Protocol. */

import type {
  Server,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceClientConstructor,
  sendUnaryData,
} from "@grpc/grpc-js";
import type { GenerationDetails } from "../../tasks/text-generation.ts";
import type { PredictOptions } from "../model-host.ts";
import type { ModelStatus } from "../model-pool.ts";
import { statusOf } from "../protocol/grpc-errors.ts";
import { termsOf } from "../protocol/terms.ts";
import { loadService } from "../protocol/v2-proto.ts";

/** A client class, whose `service` is the definition that a server implements. */
export const ControlService: ServiceClientConstructor = loadService("control.proto", "tesserae", "Control");

export interface StatusMessage {
  readonly ready: boolean;
  /** JSON documents. */
  readonly models: readonly string[];
}

export interface SwapMessage {
  readonly name: string;
  /** "" for the newest version. */
  readonly ref: string;
}

export interface StreamMessage {
  readonly model: string;
  /** JSON document. */
  readonly question: string;
}

export interface PieceMessage {
  readonly piece?: "text" | "details";
  readonly text?: string;
  /** JSON document. */
  readonly details?: string;
}

/** What a worker does when it is asked. */
export interface Controls {
  isReady(): boolean;
  models(): Promise<readonly ModelStatus[]>;
  /** Returns the reference that answers from now on. */
  swap(name: string, ref: string | undefined): Promise<string>;
  stream(model: string, question: string, options: PredictOptions): AsyncGenerator<string, GenerationDetails>;
}

export function addControl(server: Server, controls: Controls): void {
  server.addService(ControlService.service, {
    Status: answering(async () => ({
      ready: controls.isReady(),
      models: (await controls.models()).map((model) => JSON.stringify(model)),
    })),
    Swap: answering(async ({ name, ref }: SwapMessage) => ({
      ref: await controls.swap(name, ref === "" ? undefined : ref),
    })),
    Stream: (call: ServerWritableStream<StreamMessage, PieceMessage>) => void stream(controls, call),
  });
}

const answering =
  <Request, Answer>(work: (request: Request) => Promise<Answer>) =>
  ({ request }: ServerUnaryCall<Request, Answer>, callback: sendUnaryData<Answer>): void => {
    work(request).then(
      (answer) => callback(null, answer),
      (error) => callback(statusOf(error)),
    );
  };

async function stream(
  controls: Controls,
  call: ServerWritableStream<StreamMessage, PieceMessage>,
): Promise<void> {
  const { request, metadata } = call;
  const left = new AbortController();
  call.on("cancelled", () => left.abort());
  try {
    const terms = termsOf((name) => metadata.get(name)[0]?.toString());
    const deadlineMs = Math.max(1, Number(call.getDeadline()) - Date.now());
    const pieces = controls.stream(request.model, request.question, {
      ...terms,
      deadlineMs,
      signal: left.signal,
    });
    for (;;) {
      const { done, value } = await pieces.next();
      call.write(done ? { details: JSON.stringify(value) } : { text: value });
      if (done) break;
    }
    call.end();
  } catch (error) {
    call.emit("error", statusOf(error));
  }
}
