/** What a client of a server of the Open Inference Protocol can ask; over gRPC or HTTP. */

import type { InferAnswer, InferRequest, ModelMetadata, ServerMetadata } from "./v2-messages.ts";

export interface V2CallOptions {
  /** Ends the call, and the server's work on it. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now within which the answer must be here; default: any. */
  readonly deadlineMs?: number | undefined;
  /** Sent along as gRPC metadata or HTTP headers. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Which model, and which of its versions; "" or none: the server's choice. */
export interface V2ModelName {
  readonly name: string;
  readonly version?: string | undefined;
}

/**
 * Every call throws a TesseraeError: that of our server with its code, or of another one as its status tells; code
 * deadline when the time is over, interrupted when `signal` aborts, unavailable when the server cannot be reached.
 */
export interface V2Client {
  isLive(options?: V2CallOptions): Promise<boolean>;
  isReady(options?: V2CallOptions): Promise<boolean>;
  isModelReady(model: V2ModelName, options?: V2CallOptions): Promise<boolean>;
  serverMetadata(options?: V2CallOptions): Promise<ServerMetadata>;
  modelMetadata(model: V2ModelName, options?: V2CallOptions): Promise<ModelMetadata>;
  infer(model: V2ModelName, request: InferRequest, options?: V2CallOptions): Promise<InferAnswer>;
  /** Ends the connection. */
  close(): void;
}
