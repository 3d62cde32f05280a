/** A server under attack: some hundred drawn cases, and those that need a connection of their own. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { downloadSafely } from "../../src/serve/download.ts";
import { useTemporaryFolder } from "../support/folder.ts";
import { attack } from "./attack.ts";
import { hostileCase } from "./cases.ts";
import { startVictim } from "./victim.ts";

const folder = useTemporaryFolder();
let server: FastifyInstance;
let url: string;
const defects: string[] = [];
beforeAll(async () => {
  ({ server, url } = await startVictim(folder, (line) => defects.push(line)));
});
afterAll(() => server.close());

const isWell = async (): Promise<boolean> => {
  const answer = await fetch(`${url}/v1/predict/reviews`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"inputs":"a good film"}',
  });
  return answer.ok;
};

function open(): Socket {
  const { hostname, port } = new URL(url);
  return connect(Number(port), hostname).on("error", () => undefined);
}

/** All that the server writes until it ends the connection. */
async function answerTo(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (part) => {
    text += part;
  });
  await once(socket, "close");
  return text;
}

/** Resolves when the system has taken what was written, or there is no connection any more. */
const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.once("drain", resolve).once("close", () => resolve());
  });

describe("a server under attack", () => {
  test("answers 300 drawn cases with a typed 4xx, or as any other request, and has no defect", async () => {
    const faults: string[] = [];
    for (let from = 0; from < 300; from += 10) {
      const cases = Array.from({ length: 10 }, (_, at) => hostileCase(from + at, "reviews"));
      const verdicts = await Promise.all(cases.map((each) => attack(url, each)));
      verdicts.forEach(({ fault }, at) => {
        if (fault !== undefined) faults.push(`case ${from + at} (${cases[at]!.kind}): ${fault}`);
      });
    }
    expect(faults).toEqual([]);
    expect(defects).toEqual([]);
    expect(await isWell()).toBe(true);
  });

  test("reads no more of a gigabyte than it may hold", async () => {
    const socket = open();
    const answer = answerTo(socket);
    socket.write(
      `POST /v1/predict/reviews HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${2 ** 30}\r\n\r\n{"inputs":"`,
    );
    const before = process.memoryUsage().rss;
    const part = "a".repeat(2 ** 16);
    for (let sent = 0; sent < 2 ** 26 && socket.writable; sent += part.length)
      if (!socket.write(part)) await drained(socket);
    await Promise.race([answer, sleep(20_000)]);
    socket.destroy();
    expect(await answer).toMatch(/^HTTP\/1.1 413[\s\S]*"code":"request"/);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  });

  test("takes no more of a body without a length either", async () => {
    const socket = open();
    const answer = answerTo(socket);
    socket.write(
      "POST /v2/models/reviews/infer HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    const chunk = `10000\r\n${"a".repeat(65_536)}\r\n`;
    for (let count = 0; count < 100 && socket.writable; count++) {
      socket.write(chunk);
      await sleep(1);
    }
    expect(await Promise.race([answer, sleep(20_000, "open")])).toMatch(/^HTTP\/1.1 413/);
  });

  test("ends connections whose headers come drop by drop, others being served meanwhile", async () => {
    const slow = Array.from({ length: 50 }, open);
    const answers = slow.map(answerTo);
    for (const socket of slow) socket.write("POST /v1/predict/reviews HTTP/1.1\r\nhost: localhost\r\n");
    const drip = setInterval(() => {
      for (const socket of slow) if (socket.writable) socket.write("x-a: b\r\n");
    }, 500);
    const startMs = performance.now();
    expect(await isWell()).toBe(true);
    expect(performance.now() - startMs).toBeLessThan(10_000);
    const texts = await Promise.all(answers);
    clearInterval(drip);
    expect(texts.every((text) => text.startsWith("HTTP/1.1 408"))).toBe(true);
  });

  test("refuses a flood of headers", async () => {
    const socket = open();
    const answer = answerTo(socket);
    socket.write(`GET / HTTP/1.1\r\nhost: localhost\r\n${"x-a: 0123456789\r\n".repeat(5000)}\r\n`);
    expect(await answer).toMatch(/^HTTP\/1.1 431[\s\S]*"code":"request"/);
  });

  test("does not unpack bodies", async () => {
    const packed = await fetch(`${url}/v1/predict/reviews`, {
      method: "POST",
      headers: { "content-type": "application/json", "content-encoding": "gzip" },
      body: gzipSync(Buffer.alloc(100_000_000)),
    });
    expect([packed.status, await packed.text()]).toEqual([400, expect.stringContaining("not packed")]);
  });

  test.each(["localhost", "localtest.me.invalid"])("follows no name to this machine: %s", async (host) => {
    await expect(downloadSafely(`http://${host}:1/a.png`, { maxBytes: 10 })).rejects.toThrow(
      /not an address of the public Internet|cannot be downloaded/,
    );
  });

  test("sends headers that keep its answers harmless in a browser", async () => {
    const { headers } = await fetch(`${url}/v1/models`);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect((await fetch(url)).headers.get("content-security-policy")).toMatch(/script-src 'sha256-/);
  });
});
