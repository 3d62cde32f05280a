import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../../test/support/folder.ts";
import { Catalog } from "../../store/catalog.ts";
import { ModelStore } from "../../store/store.ts";
import { connectWorker, type WorkerClient } from "../gateway/worker-client.ts";
import { startWorker, type WorkerServer } from "../gateway/worker-server.ts";
import { createKey, readKeys } from "./key-file.ts";
import { KeyRing } from "./key-ring.ts";

const folder = useTemporaryFolder();

describe("a worker with keys", () => {
  let worker: WorkerServer;
  let clients: WorkerClient[];
  beforeAll(async () => {
    const file = join(folder, "keys.json");
    const { text } = await createKey(file, "gateway", ["predict"]);
    const catalog = new Catalog(new ModelStore(join(folder, "home")), join(folder, "none"));
    const guard = { keys: new KeyRing(await readKeys(file)) };
    worker = await startWorker({ catalog, guard }, { host: "127.0.0.1", port: 0 });
    await worker.http.ready();
    clients = [undefined, "tess_00000000_x", text].map((key) =>
      connectWorker(`127.0.0.1:${worker.grpcPort}`, () => [], key),
    );
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await worker.close();
  });

  test("answers gateways that have one, and nobody else", async () => {
    const [stranger, guesser, gateway] = clients as [WorkerClient, WorkerClient, WorkerClient];
    await expect(stranger.status(60_000)).rejects.toThrow(/an API key is needed/);
    await expect(guesser.status(60_000)).rejects.toThrow(/not known here/);
    expect((await gateway.status(60_000)).models).toEqual([]);
    await expect(stranger.infer({ name: "a" }, { inputs: [] }, { deadlineMs: 60_000 })).rejects.toThrow(
      /key is needed/,
    );
    await expect(gateway.infer({ name: "a" }, { inputs: [] }, { deadlineMs: 60_000 })).rejects.toThrow(
      /not here/,
    );
  });

  test("swaps for operators alone", async () => {
    await expect(clients[2]!.swap("a", "a@1", 60_000)).rejects.toThrow(/does not allow admin/);
  });
});
