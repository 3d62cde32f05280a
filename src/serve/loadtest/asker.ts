/** Requests of a load test over kept connections. */

import { Agent as HttpAgent, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";

export interface AskerOptions {
  /** The whole address that is posted to, such as http://localhost:8080/v1/predict/sst2. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Fields beside `inputs`. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Default 10 s. */
  readonly timeoutMs?: number | undefined;
}

/** How a request ended: its status, or 0 where there was no answer. */
export type Ask = (text: string) => Promise<number>;

export interface Asker {
  readonly ask: Ask;
  close(): void;
}

const defaultTimeoutMs = 10_000;
/** Connections kept while nothing is asked; under load there are as many as there are requests under way. */
const keptConnections = 256;

export function createAsker({
  url,
  headers = {},
  parameters,
  timeoutMs = defaultTimeoutMs,
}: AskerOptions): Asker {
  const isSecure = new URL(url).protocol === "https:";
  const Agent = isSecure ? HttpsAgent : HttpAgent;
  const request = isSecure ? requestHttps : requestHttp;
  const agent = new Agent({ keepAlive: true, maxFreeSockets: keptConnections });
  const fixed = { ...headers, "content-type": "application/json" };
  const ask: Ask = (text) =>
    new Promise((resolve) => {
      const body = JSON.stringify({ inputs: text, ...(parameters && { parameters }) });
      const call = request(
        url,
        { method: "POST", agent, headers: { ...fixed, "content-length": Buffer.byteLength(body) } },
        (answer) => {
          answer.resume().once("close", () => {
            clearTimeout(timer);
            resolve(answer.complete ? (answer.statusCode ?? 0) : 0);
          });
        },
      );
      const timer = setTimeout(() => call.destroy(), timeoutMs);
      call.once("error", () => {
        clearTimeout(timer);
        resolve(0);
      });
      call.end(body);
    });
  return { ask, close: () => agent.destroy() };
}
