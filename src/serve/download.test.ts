import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DownloadOptions, downloadSafely } from "./download.ts";

let server: Server;
let base: string;
const asked: string[] = [];

const routes: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  "/picture": (_, response) => response.end("picture"),
  "/moved": (_, response) => response.writeHead(302, { location: "/picture" }).end(),
  "/inside": (_, response) =>
    response.writeHead(302, { location: `${base.replace("127.0.0.1", "127.0.0.2")}/picture` }).end(),
  "/file": (_, response) => response.writeHead(302, { location: "file:///etc/passwd" }).end(),
  "/round": (_, response) => response.writeHead(302, { location: "/round" }).end(),
  "/declared": (_, response) => response.writeHead(200, { "content-length": "1000000" }).end(),
  "/endless": (_, response) => {
    const timer = setInterval(() => response.write(Buffer.alloc(1000)), 1);
    response.on("close", () => clearInterval(timer));
  },
  "/silent": () => undefined,
};

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url!);
    const route = routes[request.url!];
    if (route) route(request, response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
});

const load = (path: string, options: Partial<DownloadOptions> = {}) =>
  downloadSafely(path.startsWith("/") ? base + path : path, {
    maxBytes: 5000,
    isAllowed: (address) => address === "127.0.0.1",
    ...options,
  });

describe("downloading from an address that a caller names", () => {
  test("gives the bytes, through redirects", async () => {
    for (const path of ["/picture", "/moved"])
      expect(Buffer.from(await load(path)).toString()).toBe("picture");
  });

  test.each<[string, string, object, RegExp]>([
    [
      "a host of its own network",
      "http://localhost/picture",
      { isAllowed: undefined },
      /localhost: is not an address/,
    ],
    [
      "an address in other digits",
      "http://0x7f.1/picture",
      { isAllowed: undefined },
      /127\.0\.0\.1: is not an address/,
    ],
    [
      "a redirect to an address that is not allowed",
      "/inside",
      {},
      /127\.0\.0\.2: is not an address of the public/,
    ],
    ["a redirect to another scheme", "/file", {}, /http or https, at every redirect/],
    ["another scheme", "ftp://example.org/a", {}, /http or https/],
    ["a name and password", "http://me:secret@127.0.0.1/", {}, /name and password/],
    ["redirects without end", "/round", {}, /redirects more than 5 times/],
    ["a file that says it is too large", "/declared", {}, /at most 5000 bytes/],
    ["a file that grows too large", "/endless", {}, /at most 5000 bytes/],
    ["silence", "/silent", { timeoutMs: 300 }, /it took too long/],
    ["a missing file", "/nothing", {}, /answers with status 404/],
  ])("refuses %s", async (_, path, options, message) => {
    await expect(load(path, options)).rejects.toThrow(message);
  });

  test("refuses this machine and its network unless told otherwise", async () => {
    asked.length = 0;
    await expect(downloadSafely(`${base}/picture`, { maxBytes: 5000 })).rejects.toThrow(/public Internet/);
    expect(asked).toEqual([]);
  });
});
