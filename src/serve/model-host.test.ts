import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, writeTinyModel } from "../../test/support/tiny-model.ts";
import { STOP } from "../runtime/serve-thread.ts";
import { ModelHost } from "./model-host.ts";

const root = useTemporaryFolder();
const folder = join(root, "masks");
beforeAll(async () => {
  await writeTinyModel(folder, tinyConfig("BertForMaskedLM"));
});

const createHost = () =>
  new ModelHost(
    { ref: "masks", name: "masks", source: "folder", folder },
    { maxQueue: 8, session: { threads: 1 } },
  );
const body = { inputs: "the [MASK] was good", parameters: { top_k: 1 } };

describe("a model host", () => {
  test("opens its model at the first request, once for several", async () => {
    const host = createHost();
    expect(host.state).toBe("idle");
    const answers = await Promise.all([host.predict(body), host.predict(body)]);
    expect(answers[0]).toEqual(answers[1]);
    expect([host.state, host.description?.task, host.queueLength]).toEqual(["ready", "fill-mask", 0]);
    await host.close();
  });

  test("starts another worker after one that died", async () => {
    const host = createHost();
    const thread = await host.open();
    await thread.send(STOP, []).catch(() => undefined);
    await expect(host.predict(body)).rejects.toMatchObject({ code: "runtime" });
    expect(host.state).toBe("idle");
    expect(await host.predict(body)).toHaveLength(1);
    await host.close();
  });

  test("tries again after a model that did not open", async () => {
    const late = join(root, "late");
    const model = { ref: "late", name: "late", source: "folder", folder: late } as const;
    const host = new ModelHost(model, { maxQueue: 8 });
    await expect(host.predict(body)).rejects.toMatchObject({ code: "not_found" });
    expect(host.state).toBe("failed");
    await writeTinyModel(late, tinyConfig("BertForMaskedLM"));
    expect(await host.predict(body)).toHaveLength(1);
    await host.close();
  });
});
