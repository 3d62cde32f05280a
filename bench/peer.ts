/** Programs that do one piece of work per line of their standard input and answer with a line of JSON. */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";

export interface Answer {
  readonly seconds: number;
  /** Time of all threads on a CPU, where the program tells it. */
  readonly cpuSeconds?: number;
  /** Largest resident size so far. */
  readonly peakBytes: number;
  /** Tokens that were generated, where the work is that. */
  readonly ids?: readonly number[];
  /** Scores of the first picture, where the work is to see some. */
  readonly logits?: readonly number[];
  /** First features of the first vector, where the work is to make some. */
  readonly features?: readonly number[];
  /** Numbers that the model learns, where the program tells it. */
  readonly parameters?: number;
}

/** A measured program. */
export class Peer {
  private readonly lines: AsyncIterator<string>;

  private constructor(private readonly child: ChildProcess) {
    this.lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  /** Starts a program and waits for its line "ready"; undefined when it cannot run here. */
  static async start(command: string, args: readonly string[]): Promise<Peer | undefined> {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    child.on("error", () => {}); // a program that is not installed ends the lines below
    const peer = new Peer(child);
    return (await peer.line()) === "ready" ? peer : undefined;
  }

  private async line(): Promise<string | undefined> {
    const { value, done } = await this.lines.next();
    return done ? undefined : value;
  }

  /** One piece of work. @throws Error when the program ended. */
  async work(): Promise<Answer> {
    this.child.stdin!.write("\n");
    const line = await this.line();
    if (line === undefined) throw new Error(`${this.child.spawnfile} ended`);
    return JSON.parse(line) as Answer;
  }

  stop(): void {
    this.child.kill();
  }
}

/** The middle value. */
export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function rested(peer: Peer): Promise<Answer> {
  await setTimeout(settleMs);
  return peer.work();
}

export interface Comparison {
  readonly ours: Answer;
  readonly theirs: Answer;
}

/** Idle time before each piece of work, in which threads of the other program that still spin come to rest. */
const settleMs = 250;

/** Medians of each program over `runs` rounds, in which all work once in turn, after `warmup` uncounted ones. */
export async function takeTurns(peers: readonly Peer[], runs: number, warmup: number): Promise<Answer[]> {
  const answers = peers.map(() => [] as Answer[]);
  for (let run = -warmup; run < runs; run++) {
    for (const [at, peer] of peers.entries()) {
      const answer = await rested(peer);
      if (run >= 0) answers[at]!.push(answer);
    }
  }
  return answers.map((all) => ({
    ...all[0]!,
    seconds: median(all.map(({ seconds }) => seconds)),
    peakBytes: Math.max(...all.map(({ peakBytes }) => peakBytes)),
  }));
}

/** The same of two programs. */
export async function alternate(ours: Peer, theirs: Peer, runs: number, warmup: number): Promise<Comparison> {
  const [first, second] = await takeTurns([ours, theirs], runs, warmup);
  return { ours: first!, theirs: second! };
}

/** A Markdown table. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

export const milliseconds = (seconds: number): string =>
  `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms`;
export const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
