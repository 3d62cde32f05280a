/**
 * Attacks a server with many hostile requests while another client asks honestly. Ends with 1 when an answer is not a
 * typed 4xx, the server logs a defect or dies, or the other client's answers are lost or late.
 *
 *     node --import tsx test/hostile/fuzz.ts [cases, default 20,000] [first, default 0]
 */

import { createAsker } from "../../src/serve/loadtest/asker.ts";
import { type LoadResult, type RunOptions, runTrace } from "../../src/serve/loadtest/run.ts";
import { drawTrace } from "../../src/serve/loadtest/trace.ts";
import { attack } from "./attack.ts";
import { hostileCase } from "./cases.ts";
import { forkVictim } from "./victim.ts";

const count = Number(process.argv[2] ?? 20_000);
const first = Number(process.argv[3] ?? 0);
/** Hostile requests under way. */
const attackers = 4;
const honestRate = 20;
const quietSeconds = 15;
const warmUpSeconds = 3;
const progressEveryMs = 5000;
const shownFaults = 20;

/** What came of one kind of case: how many there were, and how often each status. */
type Tally = Record<string, number>;

const victim = await forkVictim();
const honest = createAsker({ url: `${victim.url}/v1/predict/reviews` });
const tallies: Record<string, Tally> = {};
const faults: string[] = [];
let sent = 0;

/** Asks what no cache knows: every text is new. */
const askHonestly = (texts: readonly string[], seconds: number, options: RunOptions): Promise<LoadResult> =>
  runTrace(drawTrace({ rate: honestRate, seconds, texts, repeats: 0 }), honest.ask, options);

const quiet = await askHonestly(["a good film"], warmUpSeconds + quietSeconds, { warmUpSeconds });
console.log(`honest client alone: ${shown(quiet)}`);

const over = new AbortController();
const during = askHonestly(["a very dull story"], 24 * 3600, { signal: over.signal });
const startMs = performance.now();
const progress = setInterval(tellProgress, progressEveryMs);
await Promise.all(Array.from({ length: attackers }, attackOn));
clearInterval(progress);
tellProgress();
over.abort();
const attacked = await during;
honest.close();
const crash = victim.crash();
await victim.stop();

console.table(tallies);
for (const fault of faults.slice(0, shownFaults)) console.log(fault);
for (const defect of victim.defects.slice(0, shownFaults)) console.log(defect.trimEnd());
console.log(`honest client alone:        ${shown(quiet)}`);
console.log(`honest client under attack: ${shown(attacked)}`);
const problems = problemsOf();
console.log(problems.length === 0 ? "verdict: passed" : `verdict: failed, ${problems.join("; ")}`);
process.exitCode = problems.length === 0 ? 0 : 1;

/** Sends one case after the other, until there are no more or the server is dead. */
async function attackOn(): Promise<void> {
  while (sent < count && victim.crash() === undefined) {
    const number = first + sent++;
    const hostile = hostileCase(number, "reviews");
    const { status, fault } = await attack(victim.url, hostile);
    const tally = tallies[hostile.kind] ?? { cases: 0 };
    tallies[hostile.kind] = { ...tally, cases: tally.cases! + 1, [status]: (tally[status] ?? 0) + 1 };
    if (fault !== undefined) faults.push(`case ${number} (${hostile.kind}): ${fault}`);
  }
}

function tellProgress(): void {
  const perSecond = sent / ((performance.now() - startMs) / 1000);
  console.log(`${sent} of ${count} cases, ${perSecond.toFixed(0)} per second, ${faults.length} faults`);
}

function shown({ sent: asked, answered, latencyMs }: LoadResult): string {
  const { p50, p99, max } = latencyMs;
  const times = `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, slowest ${max.toFixed(1)} ms`;
  return `${answered} of ${asked} answered, ${times}`;
}

function problemsOf(): string[] {
  // Normal is what the cluster's bench calls so: at most twice the 99th percentile in quiet, or 50 ms above it.
  const limitMs = Math.max(2 * quiet.latencyMs.p99, quiet.latencyMs.p99 + 50);
  const lost = attacked.sent - attacked.answered;
  const reasons: readonly [boolean, string][] = [
    [crash !== undefined, `the server ${crash}`],
    [faults.length > 0, `${faults.length} of ${sent} cases not answered as they must be`],
    [victim.defects.length > 0, `${victim.defects.length} defects`],
    [lost > 0, `${lost} honest requests lost`],
    [attacked.latencyMs.p99 > limitMs, `honest p99 above ${limitMs.toFixed(0)} ms`],
  ];
  return reasons.flatMap(([holds, reason]) => (holds ? [reason] : []));
}
