/** Sends hostile requests to a server and judges its answers. */

import { request } from "node:http";
import type { HostileCase } from "./cases.ts";

export interface Verdict {
  readonly status: number;
  /** Why the answer is not as it must be; undefined where it is. */
  readonly fault: string | undefined;
}

/** A code of our errors, and what Node itself says of what is no HTTP. */
const typed = /"code":"[a-z_]+"/;
const timeoutMs = 30_000;

/** Sends one case as it is: paths are not tidied up. */
export async function attack(url: string, hostile: HostileCase): Promise<Verdict> {
  const first = await send(url, hostile);
  // A kept connection that the server was just closing says nothing about this case.
  const { status, text } = first.isStale ? await send(url, hostile) : first;
  return { status, fault: faultOf(hostile.kind, status, text) };
}

interface Answer {
  /** 0 where there was no answer. */
  readonly status: number;
  readonly text: string;
  readonly isStale?: boolean;
}

function send(url: string, { path, method = "POST", headers, body }: HostileCase): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const call = request({ hostname, port, path, method, headers, timeout: timeoutMs }, (answer) => {
      let answered = "";
      answer.setEncoding("utf8").on("data", (part: string) => {
        answered += part;
      });
      answer.once("close", () => resolve({ status: answer.statusCode ?? 0, text: answered }));
    });
    call.once("timeout", () => call.destroy(new Error("no answer in time")));
    call.once("error", (error: NodeJS.ErrnoException) => {
      const isBroken = error.code === "ECONNRESET" || error.code === "EPIPE";
      resolve({ status: 0, text: error.message, isStale: call.reusedSocket && isBroken });
    });
    call.end(body);
  });
}

/** A mangled document may still be a question, which is answered. */
function faultOf(kind: string, status: number, text: string): string | undefined {
  const shown = `${status} ${text.slice(0, 200)}`;
  if (status === 501 && text.includes('"code":"unsupported"')) return undefined; // known, and not done by this model
  if (status === 503 && text.includes('"code":"interrupted"')) return shown;
  if (status >= 200 && status < 300) return mustFail.has(kind) ? `answered: ${shown}` : undefined;
  if (status < 400 || status >= 500) return shown;
  return typed.test(text) ? undefined : `not typed: ${shown}`;
}

/** Kinds of which no case may be answered. */
const mustFail: ReadonlySet<string> = new Set([
  "deep JSON",
  "binary tensors that lie",
  "more than may be",
  "addresses of what only the server reaches",
  "damaged pictures",
]);
