/** The cluster of deploy/local under load while its parts die, hang and change. bench/cluster-faults.ts does it for longer. */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hung, killed, type Question, scoreIn, sufferFaults } from "../../bench/cluster-load.ts";
import { Cluster, missingPrograms } from "../../deploy/local/cluster.ts";
import { ModelStore } from "../../src/store/store.ts";
import { pipeline } from "../../src/tasks/pipeline.ts";
import { useTemporaryFolder } from "../support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../support/tiny-model.ts";

const missing = missingPrograms();
if (missing.length > 0) console.warn(`${missing.join(" and ")} not installed: no cluster is tested`);

const folder = useTemporaryFolder();
const store = new ModelStore(join(folder, "home"));
const config = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
const info = { task: "text-classification" };
const words = "a good film with great actor so bad very dull music she likes".split(" ");
const texts = words.flatMap((first) => words.map((second) => `${first} ${second}`));
const versions: string[] = [];
/** Seven processes start on what may be a busy machine, and some of them again. */
const patienceMs = 600_000;
let questions: Question[];
let cluster: Cluster | undefined;

beforeAll(async () => {
  if (missing.length > 0) return;
  for (const seed of [7, 8])
    versions.push(await writeTinyModel(join(folder, `version-${seed}`), config, seed));
  const scores: number[][] = [];
  for (const version of versions) {
    const classify = await pipeline("text-classification", version);
    scores.push((await classify(texts, { top_k: 2 })).map((answer) => scoreIn(answer as never)));
    await classify.dispose();
  }
  questions = texts.map((text, at) => ({
    text,
    scores: { "reviews@1": scores[0]![at]!, "reviews@2": scores[1]![at]! },
  }));
  await store.add("reviews", versions[0]!, info);
  cluster = await Cluster.start({ home: store.root, models: ["reviews"] });
}, patienceMs);
afterAll(() => cluster?.stop());

async function answeringVersion(): Promise<string | null> {
  const answer = await fetch(`${cluster!.url}/v1/predict/reviews`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ inputs: texts[0] }),
  });
  return answer.headers.get("x-model-ref");
}

describe("a cluster", () => {
  test.skipIf(missing.length > 0)(
    "loses no answer and gives no wrong one while a worker, a gateway and Redis die, one hangs, and a version changes",
    async () => {
      const roll = { name: "new version", begin: () => store.add("reviews", versions[1]!, info) };
      const faults = [killed("worker-1"), killed("gateway-1"), killed("redis"), hung("worker-2"), roll];
      const options = { model: "reviews", questions, rate: 20 };
      const { notices } = await sufferFaults(cluster!, options, faults, { quietMs: 1000, faultMs: 3000 });
      expect(notices.flatMap(({ details }) => details)).toEqual([]);
      for (const { requests } of notices) expect(requests).toBeGreaterThan(50);
      await expect.poll(answeringVersion, { timeout: 60_000, interval: 500 }).toBe("reviews@2");
    },
    patienceMs,
  );
});
