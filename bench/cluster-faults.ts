/**
 * A cluster on this machine under a steady load while its parts die, hang and change:
 *   npm run build && node --import tsx bench/cluster-faults.ts [share of capacity, default 0.7]
 * Asks the bundled sst2 (4.2 M parameters) about words that it knows; half of the requests repeat a question. Takes five
 * minutes. Ends with 1 when an answer is lost or wrong, or the 99th percentile is not normal again within 10 s.
 */

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster, missingPrograms } from "../deploy/local/cluster.ts";
import { showTable } from "../src/cli/format.ts";
import { ModelStore } from "../src/store/store.ts";
import { pipeline } from "../src/tasks/pipeline.ts";
import {
  ask,
  type Fault,
  hung,
  killed,
  type Notice,
  type Question,
  scoreIn,
  sufferFaults,
} from "./cluster-load.ts";

const missing = missingPrograms();
if (missing.length > 0) throw new Error(`cluster-faults: needs ${missing.join(" and ")}`);
const share = Number(process.argv[2] ?? 0.7);
const questionCount = 400;
/** Requests under way at once while capacity is measured. */
const callers = 32;
const capacityMs = 5000;
const recoveryLimitMs = 10_000;

const home = mkdtempSync(join(tmpdir(), "tesserae-faults-"));
process.env.TESSERAE_HOME = home;
const store = new ModelStore(home);
const info = { task: "text-classification", labels: ["negative", "positive"] };
const addVersion = (path: string) => store.add("films", path, info);

const words =
  "a film story that is good bad dull great never moving slow funny with no heart and much joy".split(" ");
const draw = <T>(items: readonly T[]): T => items[Math.floor(Math.random() * items.length)]!;
const texts = Array.from({ length: questionCount }, () =>
  Array.from({ length: 4 + Math.floor(Math.random() * 20) }, () => draw(words)).join(" "),
);

/** Version 2 is version 1 with another file beside it: the same answers under another name. */
const second = join(home, "second");
cpSync("models/sst2", second, { recursive: true });
cpSync("LICENSE", join(second, "LICENSE"));

try {
  await addVersion("models/sst2");
  const questions = await askedAlone();
  const cluster = await Cluster.start({ home, models: ["films"] });
  try {
    process.exitCode = (await isUnharmed(cluster, questions)) ? 0 : 1;
  } finally {
    await cluster.stop();
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}

/** The questions with the answers of a pipeline in this process. */
async function askedAlone(): Promise<Question[]> {
  const classify = await pipeline("text-classification", "films@1");
  const scores = (await classify(texts, { top_k: 10 })).map((answer) => scoreIn(answer as never));
  await classify.dispose();
  return texts.map((text, at) => ({
    text,
    scores: { films: scores[at]!, "films@1": scores[at]!, "films@2": scores[at]! },
  }));
}

async function isUnharmed(cluster: Cluster, questions: readonly Question[]): Promise<boolean> {
  await answersPerSecond(cluster.url, questions); // the first seconds are slow
  const capacity = await answersPerSecond(cluster.url, questions);
  const rate = share * capacity;
  console.log(`capacity ${capacity.toFixed(0)} requests/s, load ${rate.toFixed(0)} requests/s`);
  const roll: Fault = { name: "new version", begin: () => addVersion(second) };
  const faults = [
    ...["worker-1", "worker-2", "worker-3", "gateway-1", "gateway-2", "redis"].map(killed),
    hung("worker-2"),
    roll,
  ].map(told);
  const options = { model: "films", questions, rate };
  const times = { quietMs: 15_000, faultMs: 15_000 };
  const { normalMs, notices } = await sufferFaults(cluster, options, faults, times);
  show(normalMs, notices);
  const isFine = ({ lost, wrong, recoveryMs, returnMs }: Notice): boolean =>
    lost + wrong === 0 && Math.max(recoveryMs, returnMs) <= recoveryLimitMs;
  const harmful = notices.filter((notice) => !isFine(notice)).map(({ fault }) => fault);
  console.log(harmful.length === 0 ? "verdict: passed" : `verdict: failed at ${harmful.join(", ")}`);
  return harmful.length === 0;
}

/** Says when it begins. */
function told(fault: Fault): Fault {
  const begin = (cluster: Cluster): unknown => {
    console.log(`${new Date().toISOString().slice(11, 19)} ${fault.name}`);
    return fault.begin(cluster);
  };
  return { ...fault, begin };
}

function show(normalMs: number, notices: readonly Notice[]): void {
  console.log(`normal p99 ${normalMs.toFixed(0)} ms`);
  const columns = {
    fault: "fault",
    requests: "requests",
    lost: "lost",
    wrong: "wrong",
    "asked again": "repeated",
    "slowest ms": "maxMs",
    "after ms": "maxAfterMs",
    "normal after ms": "recoveryMs",
    "after its end ms": "returnMs",
  } as const satisfies Record<string, keyof Notice>;
  const rows = notices.map((notice) => Object.values(columns).map((field) => String(notice[field])));
  console.log(showTable(Object.keys(columns), rows, [1, 2, 3, 4, 5, 6, 7, 8]));
  for (const { details } of notices) for (const detail of details.slice(0, 3)) console.log(detail);
}

/** Of callers that each ask again as soon as they are answered. */
async function answersPerSecond(url: string, questions: readonly Question[]): Promise<number> {
  const endMs = performance.now() + capacityMs;
  let answers = 0;
  const call = async (start: number): Promise<void> => {
    for (let at = start; performance.now() < endMs; at += callers, answers++)
      await ask(url, "films", questions[at % questions.length]!, performance.now());
  };
  await Promise.all(Array.from({ length: callers }, (_, at) => call(at)));
  return answers / (capacityMs / 1000);
}
