/** The measured side of `Peer`: one piece of work per line of standard input, its time and memory on output. */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** Largest resident size of this process so far. */
const peakBytes = (): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]) * 1024;

/** Answers every line until the input ends; what `work` gives is part of the answer. */
export async function answerLines(work: () => Promise<object>): Promise<void> {
  console.log("ready");
  for await (const _ of createInterface({ input: process.stdin })) {
    const startMs = performance.now();
    const told = await work();
    const seconds = (performance.now() - startMs) / 1000;
    console.log(JSON.stringify({ seconds, peakBytes: peakBytes(), ...told }));
  }
}
