/** A client of the Open Inference Protocol over HTTP; tensors travel in binary form. */

import { type ErrorCode, errorCodes, RuntimeFailure, TesseraeError } from "../../errors.ts";
import { OverloadError } from "../problem.ts";
import type { V2CallOptions, V2Client, V2ModelName } from "./v2-client.ts";
import { encodeRequest, jsonLengthHeader, parseAnswer, splitBody } from "./v2-json.ts";
import type { InferAnswer, InferRequest, ModelMetadata, ServerMetadata } from "./v2-messages.ts";

export class HttpV2Client implements V2Client {
  /** `url`: of the server, without `/v2`. */
  constructor(private readonly url: string) {}

  isLive(options?: V2CallOptions): Promise<boolean> {
    return this.isWell("/health/live", options);
  }

  isReady(options?: V2CallOptions): Promise<boolean> {
    return this.isWell("/health/ready", options);
  }

  isModelReady(model: V2ModelName, options?: V2CallOptions): Promise<boolean> {
    return this.isWell(`${pathOf(model)}/ready`, options);
  }

  async serverMetadata(options?: V2CallOptions): Promise<ServerMetadata> {
    return jsonOf(await this.ask("", {}, options)) as ServerMetadata;
  }

  async modelMetadata(model: V2ModelName, options?: V2CallOptions): Promise<ModelMetadata> {
    const metadata = jsonOf(await this.ask(pathOf(model), {}, options)) as Omit<ModelMetadata, "versions">;
    return { versions: [], ...metadata };
  }

  async infer(model: V2ModelName, request: InferRequest, options?: V2CallOptions): Promise<InferAnswer> {
    const { body, jsonBytes } = encodeRequest(request);
    const headers: Record<string, string> =
      jsonBytes === undefined
        ? { "content-type": "application/json" }
        : { "content-type": "application/octet-stream", [jsonLengthHeader]: String(jsonBytes) };
    const answer = await this.ask(`${pathOf(model)}/infer`, { method: "POST", headers, body }, options);
    return parseAnswer(...splitBody(answer.body, answer.headers.get(jsonLengthHeader) ?? undefined));
  }

  close(): void {}

  /** Health routes answer with another status where all is not well. */
  private async isWell(path: string, options?: V2CallOptions): Promise<boolean> {
    return (await this.request(path, {}, options)).status === 200;
  }

  private async ask(path: string, init: RequestInit, options?: V2CallOptions): Promise<Answer> {
    const answer = await this.request(path, init, options);
    if (answer.status === 200) return answer;
    throw errorOf(answer, this.url);
  }

  private async request(
    path: string,
    init: RequestInit,
    { signal, deadlineMs, headers }: V2CallOptions = {},
  ): Promise<Answer> {
    const timeout = deadlineMs === undefined ? undefined : AbortSignal.timeout(Math.ceil(deadlineMs));
    const either = AbortSignal.any([signal, timeout].filter((each) => each !== undefined));
    try {
      const url = `${this.url}/v2${path}`;
      const response = await fetch(url, {
        ...init,
        headers: { ...init.headers, ...headers },
        signal: either,
      });
      const body = new Uint8Array(await response.arrayBuffer());
      return { status: response.status, headers: response.headers, body };
    } catch (cause) {
      const [code, reason] = timeout?.aborted
        ? (["deadline", `did not answer within ${deadlineMs} ms`] as const)
        : signal?.aborted
          ? (["interrupted", "the caller went away"] as const)
          : (["unavailable", `cannot be reached (${reasonOf(cause)})`] as const);
      throw new RuntimeFailure(`${this.url}: ${reason}`, { code, cause });
    }
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

const pathOf = ({ name, version }: V2ModelName): string =>
  `/models/${encodeURIComponent(name)}${version ? `/versions/${encodeURIComponent(version)}` : ""}`;

const reasonOf = (cause: unknown): string => {
  const { message, cause: inner } = cause as Error;
  return inner instanceof Error ? inner.message : message;
};

/** The error of a problem document, or of another server's `error` and status. */
function errorOf({ status, headers, body }: Answer, where: string): TesseraeError {
  const { code, detail, error } = parseObject(body);
  const message = String(detail ?? error ?? `${where}: answered ${status}`);
  const known = typeof code === "string" && code in errorCodes ? (code as ErrorCode) : undefined;
  const own = known ?? codeOf(status);
  if (own === "overloaded") return new OverloadError(message, Number(headers.get("retry-after") ?? 1));
  return new TesseraeError(own, message);
}

const jsonOf = ({ body }: Answer): unknown => splitBody(body, undefined)[0];

function parseObject(body: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(Buffer.from(body).toString()));
  } catch {
    return {};
  }
}

function codeOf(status: number): ErrorCode {
  if (status === 404) return "not_found";
  if (status === 429) return "overloaded";
  if (status === 503) return "unavailable";
  if (status === 504) return "deadline";
  return status < 500 ? "request" : "runtime";
}
