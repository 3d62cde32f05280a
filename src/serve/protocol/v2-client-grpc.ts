/** A client of the Open Inference Protocol over gRPC. */

import {
  type ChannelCredentials,
  type Client,
  type ClientOptions,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { RuntimeFailure } from "../../errors.ts";
import { traceHeaders } from "../tracing.ts";
import { errorOfStatus } from "./grpc-errors.ts";
import type { V2CallOptions, V2Client, V2ModelName } from "./v2-client.ts";
import type { InferAnswer, InferRequest, ModelMetadata, ServerMetadata } from "./v2-messages.ts";
import { answerOfMessage, type InferAnswerMessage, messageOfRequest, V2Service } from "./v2-proto.ts";

export interface GrpcClientOptions {
  /** Default: no encryption. */
  readonly credentials?: ChannelCredentials;
  /** Bytes of an answer; default 64 MiB. */
  readonly maxAnswerBytes?: number;
  /** Options of grpc-js's channel, such as keepalive. */
  readonly channel?: ClientOptions;
}

const defaultMaxAnswerBytes = 64 * 2 ** 20;

type Method = (
  message: object,
  metadata: Metadata,
  options: { deadline?: number },
  done: (error: ServiceError | null, answer?: unknown) => void,
) => ClientUnaryCall;

interface ModelMetadataMessage {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadataMessage[];
  readonly outputs: readonly TensorMetadataMessage[];
}

interface TensorMetadataMessage {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly string[];
}

export class GrpcV2Client implements V2Client {
  private readonly client: Client;

  /** `address`: `host:port`, or another target of grpc-js. Connects with the first call. */
  constructor(
    private readonly address: string,
    { credentials: given, maxAnswerBytes = defaultMaxAnswerBytes, channel }: GrpcClientOptions = {},
  ) {
    this.client = new V2Service(address, given ?? credentials.createInsecure(), {
      "grpc.max_receive_message_length": maxAnswerBytes,
      "grpc.max_send_message_length": -1, // the server's limit counts
      ...channel,
    });
  }

  async isLive(options?: V2CallOptions): Promise<boolean> {
    return (await this.call<{ live: boolean }>("ServerLive", {}, options)).live;
  }

  async isReady(options?: V2CallOptions): Promise<boolean> {
    return (await this.call<{ ready: boolean }>("ServerReady", {}, options)).ready;
  }

  async isModelReady({ name, version = "" }: V2ModelName, options?: V2CallOptions): Promise<boolean> {
    return (await this.call<{ ready: boolean }>("ModelReady", { name, version }, options)).ready;
  }

  serverMetadata(options?: V2CallOptions): Promise<ServerMetadata> {
    return this.call("ServerMetadata", {}, options);
  }

  async modelMetadata({ name, version = "" }: V2ModelName, options?: V2CallOptions): Promise<ModelMetadata> {
    const message = await this.call<ModelMetadataMessage>("ModelMetadata", { name, version }, options);
    const described = ({ shape, ...rest }: TensorMetadataMessage) => ({ ...rest, shape: shape.map(Number) });
    const { versions, platform } = message;
    return {
      name: message.name,
      versions,
      platform,
      inputs: message.inputs.map(described),
      outputs: message.outputs.map(described),
    };
  }

  async infer(
    { name, version = "" }: V2ModelName,
    request: InferRequest,
    options?: V2CallOptions,
  ): Promise<InferAnswer> {
    const message = messageOfRequest(name, version, request);
    return answerOfMessage(await this.call<InferAnswerMessage>("ModelInfer", message, options));
  }

  close(): void {
    this.client.close();
  }

  private call<T>(
    method: string,
    message: object,
    { signal, deadlineMs, headers = {} }: V2CallOptions = {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(wentAway(this.address));
      const metadata = new Metadata();
      for (const [name, value] of Object.entries({ ...headers, ...traceHeaders() }))
        metadata.set(name, value);
      const deadline = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      const run = (this.client as unknown as Record<string, Method>)[method]!.bind(this.client);
      const call = run(message, metadata, deadline, (error, answer) => {
        signal?.removeEventListener("abort", cancel);
        if (!error) resolve(answer as T);
        else reject(signal?.aborted ? wentAway(this.address) : errorOfStatus(error, this.address));
      });
      const cancel = (): void => call.cancel();
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }
}

const wentAway = (address: string): RuntimeFailure =>
  new RuntimeFailure(`${address}: the caller went away`, { code: "interrupted" });
