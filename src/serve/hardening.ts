/** What protects a server and its callers' browsers, whatever is asked. */

import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";
import { RequestError } from "../errors.ts";
import { isLoopback } from "./access/listen-rule.ts";

/** For Fastify: a client has this long to send its headers, and all of its request. */
export const connectionLimits = {
  requestTimeout: 60_000,
  clientErrorHandler: answerBrokenRequest,
  http: { headersTimeout: 10_000, maxHeaderSize: 16 * 1024, connectionsCheckingInterval: 2000 },
} as const;

/** A browser loads nothing for these answers and shows them in no frame. Pages say what they need themselves. */
const headers = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
} as const;

/** Call it before routes are added. `isLocal`: only this machine's own names are answered for. */
export function addHardening(server: FastifyInstance, isLocal: boolean): void {
  server.addHook("onRequest", async (request, reply) => {
    reply.headers(headers);
    if (isLocal) assertOwnName(request.hostname);
    const encoding = request.headers["content-encoding"];
    if (encoding !== undefined && encoding !== "identity")
      throw new RequestError(`content-encoding ${shown(encoding)}: bodies must come as they are, not packed`);
  });
}

/**
 * A page of a stranger whose name is made to mean this machine (DNS rebinding) still sends the stranger's name.
 * @throws RequestError, code forbidden, for a host that is not this machine's.
 */
function assertOwnName(hostname: string): void {
  const host = hostname.replace(/^\[|\]$/g, "");
  if (host === "" || isLoopback(host)) return;
  throw new RequestError(
    `host ${shown(host)}: this server answers for localhost alone; start it with --keys, or --no-auth behind a proxy`,
    { code: "forbidden" },
  );
}

/** What is no request at all is answered as one that is malformed. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const [status, title] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? [431, "Request Header Fields Too Large"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? [408, "Request Timeout"]
        : [400, "Bad Request"];
  const detail = `the connection: ${title.toLowerCase()}`;
  const body = JSON.stringify({ type: "about:blank", title, status, detail, code: "request" });
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

const shown = (text: string): string => text.slice(0, 100);
