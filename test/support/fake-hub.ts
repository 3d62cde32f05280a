/** A small HTTP server that speaks the part of the Hugging Face hub's API that downloads use. */

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeModel {
  commit: string;
  files: Record<string, Buffer>;
  /** When given, requests without it are answered 401. */
  token?: string;
}

const lfsBytes = 1000; // files from this size on are listed as the hub lists LFS files

export class FakeHub {
  /** Every request as `METHOD path`. */
  readonly requests: string[] = [];
  /** Branches, tags and commits, as `org/name@revision`. */
  readonly models = new Map<string, FakeModel>();
  /** Paths whose download breaks off in the middle. */
  readonly broken = new Set<string>();
  /** What is sent in place of a listed file. */
  readonly replaced = new Map<string, Buffer>();
  /** Answers every request with this status. */
  failing: number | undefined;
  private readonly server = createServer((request, response) => this.answer(request, response));

  /** The base address, once it listens. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url!.split("?")[0]!;
    this.requests.push(`${request.method} ${decodeURIComponent(url)}`);
    const route =
      /^\/api\/models\/(?<id>.+)\/(?<kind>revision|tree)\/(?<revision>[^/]+)$/.exec(url) ??
      /^\/(?<id>.+)\/(?<kind>resolve)\/(?<revision>[^/]+)\/(?<path>.+)$/.exec(url);
    const { id, kind, revision = "", path = "" } = route?.groups ?? {};
    const model = this.models.get(`${id}@${decodeURIComponent(revision)}`);
    if (this.failing !== undefined) sendJson(response, this.failing, { error: "out of order" });
    else if (!model) sendJson(response, 404, { error: "Repository not found" });
    else if (model.token && request.headers.authorization !== `Bearer ${model.token}`) {
      sendJson(response, 401, { error: "Invalid username or password." });
    } else if (kind === "revision") sendJson(response, 200, { _id: "1", id, sha: model.commit });
    else if (kind === "tree") sendJson(response, 200, Object.entries(model.files).map(listEntry));
    else this.sendFile(request, response, path, this.replaced.get(path) ?? model.files[path]!);
  }

  private sendFile(request: IncomingMessage, response: ServerResponse, path: string, content: Buffer): void {
    const etag = `"${createHash("md5").update(content).digest("hex")}"`;
    if (request.headers.range === "bytes=0-0") {
      response.writeHead(206, { etag, "content-range": `bytes 0-0/${content.length}` });
      response.end(content.subarray(0, 1));
      return;
    }
    response.writeHead(200, { etag, "content-length": content.length });
    if (!this.broken.has(path)) response.end(content);
    else response.write(content.subarray(0, content.length / 2), () => response.destroy());
  }
}

function listEntry([path, content]: [string, Buffer]): object {
  const oid = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
  const base = { type: "file", path, oid, size: content.length };
  if (content.length < lfsBytes) return base;
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { ...base, lfs: { oid: sha256, size: content.length, pointerSize: 130 } };
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
