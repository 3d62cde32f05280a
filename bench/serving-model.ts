/** The model and texts that serving is measured with, and servers as processes of their own. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readExamples } from "../src/data/read-examples.ts";
import { bertTokenizerJson } from "../src/text/bert-vocab.ts";
import { loadTokenizer } from "../src/text/load-tokenizer.ts";
import { Tokenizer } from "../src/text/tokenizer.ts";
import { bertBase, writeBert } from "./write-bert.ts";

const data = resolve("../shared/data");

/**
 * BERT-base's width with 6 layers, DistilBERT's size: what a classifier in production most often is, and small enough that
 * two cores answer tens of requests per second, so that a rate is found in minutes. Weights are drawn: time does not
 * depend on them.
 */
const config = { ...bertBase, num_hidden_layers: 6 };

/** Writes the model into `folder`, for Tesserae and for transformers.js. */
export async function writeServedModel(folder: string): Promise<string> {
  const vocab = join(data, "vocab", "bert-base-uncased");
  const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
  const words = [...special, ...Array.from({ length: 30_517 }, (_, at) => `word${at}`)];
  const tokenizer = existsSync(vocab)
    ? await loadTokenizer(vocab)
    : new Tokenizer(bertTokenizerJson(words.join("\n"), {}, "vocab.txt"));
  await writeBert(folder, config, tokenizer);
  return folder;
}

/** Real sentences of mixed lengths (1 to 70 tokens), each once, in an order that stays the same. */
export async function servedTexts(): Promise<string[]> {
  const path = join(data, "sst2");
  if (!existsSync(path)) throw new Error(`${path}: is not here; serving is measured with its sentences`);
  const { examples } = await readExamples("text-classification", join(path, "train.tsv"));
  return [...new Set(examples.map(({ text }) => text))].slice(0, 8000);
}

export interface ServerProcess {
  readonly url: string;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

/** Starts a program that prints an address when it listens. */
export async function startServer(args: readonly string[], home: string): Promise<ServerProcess> {
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TESSERAE_HOME: home },
  });
  const [line] = (await Promise.race([once(child.stdout!, "data"), once(child, "exit")])) as [unknown];
  const url = /http:\/\/[\w.:]+/.exec(String(line))?.[0];
  if (!url) throw new Error(`${args.join(" ")}: did not start`);
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  };
  return { url, child, stop };
}

/** Tesserae with one model; further flags in `flags`. */
export async function startTesserae(
  folder: string,
  home: string,
  flags: readonly string[] = [],
): Promise<ServerProcess> {
  const server = await startServer(
    ["dist/cli/main.js", "serve", "--port", "0", "--model", folder, ...flags],
    home,
  );
  while ((await fetch(`${server.url}/health/ready`)).status !== 200) await sleep(100);
  return server;
}

/** Resident bytes of a process. */
export async function residentBytes({ child }: ServerProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) * 1024;
}
