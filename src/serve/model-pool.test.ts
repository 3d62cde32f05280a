import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { writeGolden } from "../compress/golden.ts";
import { openModel } from "../models/open.ts";
import { Catalog } from "../store/catalog.ts";
import { ModelStore } from "../store/store.ts";
import { addVariant } from "../store/variants.ts";
import { feedsOf } from "../tasks/batch-runner.ts";
import type { LabelScore } from "../tasks/text-classification.ts";
import { Tensor } from "../tensor/tensor.ts";
import { padBatch } from "../text/batch.ts";
import { openCache } from "./cache/answer-cache.ts";
import { ModelPool } from "./model-pool.ts";

const folder = useTemporaryFolder();
/** Models of the same shape with other weights. */
const sources: string[] = [];
let store: ModelStore;
let pool: ModelPool;
let stores = 0;

beforeAll(async () => {
  const config = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
  for (const seed of [1, 2, 3])
    sources.push(await writeTinyModel(join(folder, `seed-${seed}`), config, seed));
});
beforeEach(async () => {
  store = new ModelStore(join(folder, `home-${stores++}`));
  await publish(0);
  pool = new ModelPool(new Catalog(store, join(folder, "none")), [], {
    maxQueue: 1000,
    nameMs: 0,
    session: { threads: 1 },
    cache: openCache(),
  });
});
afterEach(() => pool.closeAll());

const publish = (source: number) =>
  store.add("reviews", sources[source]!, { task: "text-classification", labels: ["bad", "good"] });
const question = { inputs: "a good film", parameters: { top_k: null } };
const ask = async (ref: string): Promise<{ ref: string; scores: string }> => {
  const host = await pool.host(ref);
  const answer = (await host.predict(question)) as LabelScore[];
  return { ref: host.model.ref, scores: answer.map(({ label, score }) => label + score.toFixed(5)).join() };
};
const statusOf = async (ref: string) => (await pool.status()).find((row) => row.ref === ref);

/** A variant with the model's own weights, whose golden outputs are the model's plus `error`. */
async function addCopy(error: number): Promise<void> {
  const { folder: model } = await store.get("reviews@1");
  const opened = await openModel(model, { threads: 1 });
  const text = { ids: [2, 8, 20, 3], typeIds: [0, 0, 0, 0] };
  const inputs = feedsOf(opened.session, padBatch([text], { padId: 0 }));
  const { logits } = await opened.session.run(inputs);
  await opened.session.release();
  const wrong = Tensor.from(
    "float32",
    logits!.shape,
    logits!.toNumbers().map((value) => value + error),
  );
  await addVariant(
    model,
    "copy",
    async (place) => {
      await copyFile(join(model, "model.safetensors"), join(place, "model.safetensors"));
      await writeGolden(place, [{ inputs, outputs: { logits: wrong } }]);
    },
    { kind: "copy", config: {}, tolerance: 0.01, metrics: { latency_ms: 2 } },
  );
}

describe("a name", () => {
  test("means another version after a swap; what was asked before is answered by the old one", async () => {
    const first = await ask("reviews");
    await publish(1);
    const old = await pool.host("reviews");
    const underWay = Array.from({ length: 20 }, (_, at) =>
      old.predict({ ...question, inputs: `the film was ${at}` }),
    );
    const host = await pool.swap("reviews", "reviews@2");
    expect([host.model.ref, host.state]).toEqual(["reviews@2", "ready"]);
    const second = await ask("reviews");
    expect([first.ref, second.ref]).toEqual(["reviews@1", "reviews@2"]);
    expect(second.scores).not.toBe(first.scores);
    expect(await Promise.all(underWay)).toHaveLength(20);
    await expect.poll(() => old.state).toBe("idle");
    expect(await ask("reviews@1")).toEqual(first);
  });

  test("passes on to the same version what is asked of a host that was replaced", async () => {
    const first = await ask("reviews");
    const old = await pool.host("reviews");
    await publish(1);
    await pool.swap("reviews");
    const answer = (await old.predict(question)) as LabelScore[];
    expect(answer.map(({ label, score }) => label + score.toFixed(5)).join()).toBe(first.scores);
  });

  test("comes to mean a new version of the store without a pause", async () => {
    await ask("reviews");
    await publish(1);
    expect((await ask("reviews")).ref).toBe("reviews@1"); // while the new one opens
    await expect.poll(async () => (await ask("reviews")).ref, { timeout: 60_000 }).toBe("reviews@2");
  });

  test("keeps its meaning when the other version does not open", async () => {
    await ask("reviews");
    await expect(pool.swap("reviews", "reviews@7")).rejects.toMatchObject({ code: "not_found" });
    const { folder: second } = await publish(1);
    await copyFile(join(second, "config.json"), join(second, "model.safetensors"));
    await expect(pool.swap("reviews", "reviews@2")).rejects.toMatchObject({ code: "weight" });
    expect((await ask("reviews")).ref).toBe("reviews@1");
    expect((await statusOf("reviews@2"))?.refused).toContain("safetensors");
  });

  test("swapped many times while it is asked answers each question by one of the versions", async () => {
    await publish(1);
    const known = new Map<string, string>();
    for (const ref of ["reviews@1", "reviews@2"]) known.set(ref, (await ask(ref)).scores);
    let isDone = false;
    const answers: string[] = [];
    const asking = (async () => {
      while (!isDone) {
        answers.push((await ask("reviews")).scores);
        await setImmediate(); // answers from the cache alone would never let a swap go on
      }
    })();
    try {
      for (let swap = 0; swap < 6; swap++) await pool.swap("reviews", `reviews@${1 + (swap % 2)}`);
    } finally {
      isDone = true;
      await asking;
    }
    expect(answers.length).toBeGreaterThan(6);
    expect(answers.every((scores) => [...known.values()].includes(scores))).toBe(true);
  });
});

describe("a variant", () => {
  test("that gives its golden outputs answers", async () => {
    await addCopy(0);
    expect((await ask("reviews@copy")).ref).toBe("reviews@1:copy");
    expect(await statusOf("reviews@1:copy")).toMatchObject({
      state: "ready",
      variant: "copy",
      metrics: { latency_ms: 2 },
    });
  });

  test("that does not is refused with the reason, and the model answers in its place", async () => {
    await addCopy(1);
    const model = await ask("reviews");
    expect(await ask("reviews@1:copy")).toEqual(model);
    expect((await statusOf("reviews@1:copy"))?.refused).toMatch(/logits of golden batch 0 is off by/);
    await expect(pool.swap("reviews", "reviews@1:copy")).rejects.toThrow(/is off by/);
    expect(await ask("reviews")).toEqual(model);
  });
});
