/** The health service, asked by clients generated from its proto. */

import { join } from "node:path";
import { type ClientReadableStream, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../../test/support/tiny-model.ts";
import { Catalog } from "../../store/catalog.ts";
import { ModelStore } from "../../store/store.ts";
import { createKey, readKeys } from "../access/key-file.ts";
import { KeyRing } from "../access/key-ring.ts";
import { discovery } from "../gateway/discovery.ts";
import { buildGatewayServing } from "../gateway/gateway-server.ts";
import { startWorker, type WorkerServer } from "../gateway/worker-server.ts";
import type { Serving } from "../http-server.ts";
import { defaultLimits } from "../limits.ts";
import { addGrpc } from "./grpc-front.ts";
import { HealthService, type StatusMessage, servingStatus } from "./health-grpc.ts";

const { serving, notServing, serviceUnknown } = servingStatus;
const folder = useTemporaryFolder();
const address = { host: "127.0.0.1", port: 0 };
const ends: (() => unknown)[] = [];
/** A model opens within this, on a busy machine too. */
const patiently = { timeout: 90_000 };
let reviews: string;

beforeAll(async () => {
  const config = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
  reviews = await writeTinyModel(join(folder, "reviews"), config);
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function worker(keys?: KeyRing): Promise<WorkerServer> {
  const catalog = new Catalog(new ModelStore(join(folder, "home")), join(folder, "none"));
  const options = { catalog, models: [reviews], session: { threads: 1 }, ...(keys && { guard: { keys } }) };
  const started = await startWorker(options, address);
  ends.push(() => started.http.close());
  return started;
}

function connect(port: number) {
  const client = new HealthService(`127.0.0.1:${port}`, credentials.createInsecure());
  ends.push(() => client.close());
  const check = (service: string, key?: string): Promise<number> => {
    const metadata = new Metadata();
    if (key !== undefined) metadata.set("x-api-key", key);
    return new Promise((resolve, reject) => {
      client.Check!({ service }, metadata, (error: ServiceError | null, answer: StatusMessage) =>
        error ? reject(error) : resolve(answer.status),
      );
    });
  };
  const watch = (service: string) => {
    const told: number[] = [];
    const call: ClientReadableStream<StatusMessage> = client.Watch!({ service });
    call.on("data", (message: StatusMessage) => void told.push(message.status));
    const ended = new Promise<ServiceError>((resolve) => {
      call.on("error", resolve);
    });
    return { told, ended };
  };
  return { check, watch };
}

describe("gRPC health", () => {
  test("is not serving before the models are open, and serving after", async () => {
    const { http, grpcPort } = await worker();
    const { check } = connect(grpcPort);
    expect([await check(""), await check("reviews")]).toEqual([notServing, notServing]);
    await http.ready();
    await expect.poll(() => check(""), patiently).toBe(serving);
    expect(await check("reviews")).toBe(serving);
  });

  test("says NOT_FOUND of a model that is not here", async () => {
    const { check } = connect((await worker()).grpcPort);
    const refused = check("revews");
    await expect(refused).rejects.toMatchObject({ code: status.NOT_FOUND });
    await expect(refused).rejects.toThrow(/got "revews", which is not here/);
  });

  test("tells watchers what changes, once, and that the server ends", async () => {
    const { http, grpcPort, serving: own } = await worker();
    const { watch } = connect(grpcPort);
    const [server, model, nothing] = ["", "reviews", "revews"].map(watch);
    await expect.poll(() => nothing!.told).toEqual([serviceUnknown]);
    await expect.poll(() => server!.told).toEqual([notServing]);
    await http.ready();
    const begun = [notServing, serving];
    await expect.poll(() => [server!.told, model!.told], patiently).toEqual([begun, begun]);
    own.state.isClosing = true;
    await expect.poll(() => server!.told).toEqual([notServing, serving, notServing]);
    await http.close();
    expect((await server!.ended).code).toBe(status.UNAVAILABLE);
    expect(nothing!.told).toEqual([serviceUnknown]);
  });

  test("is told to probes without a key, and of models to holders of one", async () => {
    const file = join(folder, "keys.json");
    const { text } = await createKey(file, "balancer", ["predict"]);
    const { check, watch } = connect((await worker(new KeyRing(await readKeys(file)))).grpcPort);
    expect([await check(""), await check("reviews", text)]).toEqual([notServing, notServing]);
    await expect(check("reviews")).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
    expect((await watch("reviews").ended).code).toBe(status.UNAUTHENTICATED);
  });
});

describe("gRPC health of a gateway", () => {
  test("is serving a model while a worker that has it answers", async () => {
    const behind = await worker();
    await behind.http.ready();
    const discover = discovery([`127.0.0.1:${behind.grpcPort}`]);
    const gateway: Serving = await buildGatewayServing({ discover });
    ends.push(() => gateway.http.close());
    const { check } = connect(await addGrpc(gateway, { address, limits: defaultLimits }));
    await gateway.http.ready();
    const checkReviews = () => check("reviews").catch(({ code }) => code);
    await expect.poll(checkReviews, patiently).toBe(serving);
    await behind.http.close();
    await expect.poll(() => check("reviews")).toBe(notServing);
    expect(await check("")).toBe(serving);
  });
});
