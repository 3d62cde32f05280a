/** `tesserae loadtest`: what a server bears, measured as its users would feel it. */

import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import { ConfigError } from "../errors.ts";
import { type Asker, createAsker } from "../serve/loadtest/asker.ts";
import { findRate } from "../serve/loadtest/find-rate.ts";
import { loadReportHtml, type Stage } from "../serve/loadtest/report.ts";
import { type LoadResult, runTrace } from "../serve/loadtest/run.ts";
import { drawTrace } from "../serve/loadtest/trace.ts";
import { writeFileAtomic } from "../weights/atomic.ts";
import { createCommand, interruptSignal, numberFrom, runs, wholeNumber } from "./command.ts";
import { showTable } from "./format.ts";
import type { Output } from "./output.ts";

interface LoadFlags {
  readonly model?: string;
  readonly data?: string;
  readonly rate: number;
  readonly duration: number;
  readonly warmUp: number;
  readonly stages?: readonly RateFor[];
  readonly findRate?: boolean;
  readonly p99: number;
  readonly repeats?: number;
  readonly zipf: number;
  readonly seed: number;
  readonly key?: string;
  readonly report?: string;
}

/** A rate, and for how many seconds. */
interface RateFor {
  readonly rate: number;
  readonly seconds: number;
}

const someTexts = [
  "A film that stays with you.",
  "Dull from beginning to end.",
  "I have seen worse, and better.",
];

export function loadtestCommand(): Command {
  const command = createCommand(
    "loadtest <url>",
    "Send requests at a rate and tell how they were answered.",
    [
      "loadtest http://localhost:8080 --model sst2 --rate 50 --duration 30s --data texts.txt",
      "loadtest http://localhost:8080 --model sst2 --find-rate --p99 250ms --report load.html",
      "loadtest http://localhost:8080 --model sst2 --stages 20:10s,100:30s,20:10s --repeats 0.5",
    ],
  )
    .argument("<url>", "of the server, or the whole address that is posted to")
    .option("--model <name>", "posts to /v1/predict/NAME")
    .option("--data <file>", "texts to send, one a line")
    .option("--rate <number>", "requests per second; they come by chance", numberFrom(0.1), 10)
    .option("--duration <time>", "of the test, or of each trial: 30s", seconds, 30)
    .option("--warm-up <time>", "before it, not counted", seconds, 2)
    .option("--stages <rates>", "in the place of rate and duration: RATE:TIME,RATE:TIME", stagesIn)
    .option("--find-rate", "search for the highest rate at which --p99 holds")
    .option("--p99 <time>", "for --find-rate: 99 of 100 answers within", milliseconds, 250)
    .option(
      "--repeats <share>",
      "of requests whose text was asked before; default: as Zipf's law gives",
      numberFrom(0),
    )
    .option("--zipf <exponent>", "how uneven texts are repeated; 0: all alike", numberFrom(0), 1)
    .option("--seed <number>", "of arrivals and texts", wholeNumber(0), 0)
    .option("--key <key>", "API key; better given as TESSERAE_API_KEY")
    .option("--report <file>", "write an HTML page");
  return runs<LoadFlags, [string]>(command, async ({ options, output }, url) => {
    const texts = options.data === undefined ? someTexts : await linesOf(options.data);
    const asker = createAsker({ url: addressOf(url, options.model), headers: keyHeader(options.key) });
    await assertAnswers(asker, url, texts[0]!);
    const { signal, dispose } = interruptSignal(() => output.note("stopping"));
    const test = async ({ rate, seconds: time }: RateFor): Promise<LoadResult> => {
      const { repeats, zipf, seed, warmUp } = options;
      const trace = drawTrace({ rate, seconds: warmUp + time, texts, repeats, zipf, seed });
      return runTrace(trace, asker.ask, { warmUpSeconds: warmUp, signal });
    };
    const stages = options.findRate
      ? await search(options, test, output)
      : await runStages(options, test, output);
    asker.close();
    dispose();
    if (options.report !== undefined) {
      const facts = { address: url, texts: String(texts.length), seed: String(options.seed) };
      await writeFileAtomic(options.report, loadReportHtml("Load test", facts, stages));
      output.note(`The report is in ${options.report}.`);
    }
    tell(options, stages, output);
    return 0;
  });
}

async function runStages(
  { stages, rate, duration }: LoadFlags,
  test: (stage: RateFor) => Promise<LoadResult>,
  output: Output,
): Promise<Stage[]> {
  const done: Stage[] = [];
  for (const [at, stage] of (stages ?? [{ rate, seconds: duration }]).entries()) {
    output.note(`${stage.rate} requests per second for ${stage.seconds} s`);
    done.push({ name: `stage ${at + 1}`, rate: stage.rate, result: await test(stage) });
  }
  return done;
}

async function search(
  { p99, rate, duration }: LoadFlags,
  test: (stage: RateFor) => Promise<LoadResult>,
  output: Output,
): Promise<Stage[]> {
  const { trials } = await findRate(
    async (tried) => {
      const result = await test({ rate: tried, seconds: duration });
      output.note(`${tried.toFixed(1)} per second: p99 ${result.latencyMs.p99.toFixed(0)} ms`);
      return result;
    },
    { p99Ms: p99, firstRate: rate },
  );
  return trials.map(({ rate: tried, holds, result }) => ({
    name: holds ? "holds" : "fails",
    rate: tried,
    result,
  }));
}

function tell({ findRate: isSearch, p99 }: LoadFlags, stages: readonly Stage[], output: Output): void {
  const rows = stages.map(({ name, rate, result: { answeredPerSecond, latencyMs, rejected, failed } }) => [
    name,
    ...[rate, answeredPerSecond, latencyMs.p50, latencyMs.p90, latencyMs.p99, latencyMs.max].map((each) =>
      each.toFixed(1),
    ),
    String(rejected),
    String(failed),
  ]);
  const header = ["", "RATE/S", "ANSWERED/S", "P50 MS", "P90 MS", "P99 MS", "MAX MS", "REFUSED", "FAILED"];
  const table = showTable(header, rows, [1, 2, 3, 4, 5, 6, 7, 8]);
  const late = Math.max(...stages.map(({ result }) => result.lateP99Ms));
  if (late > 20)
    output.note(`This process sent late by up to ${late.toFixed(0)} ms (p99): the machine is busy.`);
  if (!isSearch) {
    output.result({ stages }, table);
    return;
  }
  const highest = Math.max(0, ...stages.filter(({ name }) => name === "holds").map(({ rate }) => rate));
  output.result(
    { highestRate: highest, p99Ms: p99, stages },
    `${table}\n\nHighest rate at p99 ≤ ${p99} ms: ${highest.toFixed(1)}/s`,
  );
}

/** @throws ConfigError where the server does not answer at all, or refuses the question. */
async function assertAnswers({ ask }: Asker, url: string, text: string): Promise<void> {
  const status = await ask(text);
  if (status >= 200 && status < 300) return;
  const reason = status === 0 ? "does not answer" : `answers with status ${status}`;
  throw new ConfigError(`${url}: ${reason}; the address, --model or --key may be wrong`);
}

/** @throws ConfigError for what is no address, or one of a server without a model. */
function addressOf(url: string, model: string | undefined): string {
  if (!URL.canParse(url)) throw new ConfigError(`${url}: must be an address such as http://localhost:8080`);
  if (model !== undefined) return new URL(`/v1/predict/${encodeURIComponent(model)}`, url).href;
  if (new URL(url).pathname !== "/") return url;
  throw new ConfigError(`${url}: name what is asked with --model, or give the whole address`);
}

async function linesOf(path: string): Promise<string[]> {
  let content: string;
  try {
    content = await readFile(path, "utf8");
  } catch (cause) {
    throw new ConfigError(`--data ${path}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  const lines = content.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new ConfigError(`--data ${path}: has no lines`);
  return lines;
}

function keyHeader(given = process.env.TESSERAE_API_KEY): Record<string, string> {
  return given === undefined ? {} : { authorization: `Bearer ${given}` };
}

/** "500ms", "30s", "2m", or a number of `unit`, in milliseconds. */
function timeIn(text: string, unit: number): number {
  const [, number, suffix = ""] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError("It must be a time such as 500ms, 30s or 2m.");
  return Number(number) * ({ ms: 1, s: 1000, m: 60_000 }[suffix] ?? unit);
}

function milliseconds(text: string): number {
  return timeIn(text, 1);
}

function seconds(text: string): number {
  return timeIn(text, 1000) / 1000;
}

function stagesIn(text: string): RateFor[] {
  return text.split(",").map((part) => {
    const [rate = "", time = ""] = part.split(":");
    return { rate: numberFrom(0.1)(rate), seconds: seconds(time) };
  });
}
