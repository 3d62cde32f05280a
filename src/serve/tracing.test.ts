/** Spans as a collector receives them, over OTLP and HTTP. */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { Catalog } from "../store/catalog.ts";
import { ModelStore } from "../store/store.ts";
import { buildGateway } from "./gateway/gateway-server.ts";
import { startWorker } from "./gateway/worker-server.ts";
import { startTracing } from "./tracing.ts";

interface SpanMessage {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}
interface Export {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly SpanMessage[] }[];
  }[];
}

const folder = useTemporaryFolder();
const spans: SpanMessage[] = [];
const collector = createServer(async (request: IncomingMessage, answer) => {
  const { resourceSpans } = (await json(request)) as Export;
  spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
  answer.writeHead(200, { "content-type": "application/json" }).end("{}");
});
const closers: (() => Promise<unknown>)[] = [];
let url: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const { port } = collector.address() as AddressInfo;
  const stop = await startTracing({ endpoint: `http://127.0.0.1:${port}/v1/traces`, service: "test" });
  const model = await writeTinyModel(
    join(folder, "reviews"),
    tinyConfig("BertForSequenceClassification", withLabels("bad", "good")),
  );
  const catalog = new Catalog(new ModelStore(join(folder, "home")), join(folder, "none"));
  const options = { catalog, models: [model], session: { threads: 1 } };
  const worker = await startWorker(options, { host: "127.0.0.1", port: 0 });
  const gateway = await buildGateway({ discover: async () => [`127.0.0.1:${worker.grpcPort}`] });
  await worker.http.ready();
  url = await gateway.listen({ host: "127.0.0.1", port: 0 });
  closers.push(
    () => gateway.close(),
    () => worker.close(),
    stop,
  );
});
afterAll(() => new Promise((resolve) => collector.close(resolve)));

describe("a traced request", () => {
  test("is one trace from the caller through the gateway to the worker's batch", async () => {
    const isReady = async () => (await fetch(`${url}/health/ready`)).status;
    await expect.poll(isReady, { timeout: 60_000 }).toBe(200);
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const answer = await fetch(`${url}/v1/predict/reviews`, {
      method: "POST",
      headers: { "content-type": "application/json", traceparent: `00-${traceId}-b7ad6b7169203331-01` },
      body: JSON.stringify({ inputs: "a good film" }),
    });
    expect(answer.status).toBe(200);
    for (const close of closers) await close(); // sends what is left
    const mine = spans.filter((span) => span.traceId === traceId);
    const named = new Map(mine.map((span) => [span.name, span]));
    const parentOf = (name: string): string | undefined =>
      mine.find(({ spanId }) => spanId === named.get(name)?.parentSpanId)?.name;
    const request = "POST /v1/predict/:model";
    expect(named.get(request)?.parentSpanId).toBe("b7ad6b7169203331");
    expect(["worker", "ModelInfer", "cache", "model", "queue", "batch"].map(parentOf)).toEqual([
      request,
      "worker",
      "ModelInfer",
      "cache",
      "model",
      "model",
    ]);
    const { startTimeUnixNano: start, endTimeUnixNano: end } = named.get("batch")!;
    expect(BigInt(end)).toBeGreaterThan(BigInt(start));
    expect(JSON.stringify(mine)).not.toContain("good film");
  });
});
