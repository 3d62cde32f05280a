/** `tesserae swap`: another version answers for a name, on one worker after the other. */

import type { Command } from "commander";
import { discovery } from "../serve/gateway/discovery.ts";
import { connectWorker } from "../serve/gateway/worker-client.ts";
import { createCommand, runs } from "./command.ts";

interface SwapFlags {
  readonly workers: string[];
  readonly workerKey?: string;
}

/** A large model is read and shows that it computes within this time. */
const timeoutMs = 300_000;

export function swapCommand(): Command {
  const command = createCommand(
    "swap <name> [ref]",
    "Let a name mean another version on all workers, one after the other; the first failure ends it.",
    [
      "swap reviews reviews@3 --workers 10.0.0.7:8001 10.0.0.8:8001",
      "swap reviews --workers dns:///workers:8001",
    ],
  )
    .argument("<name>", "as clients ask for the model")
    .argument("[ref]", "what it is to mean; default: its newest version, now and later")
    .requiredOption(
      "--workers <address...>",
      "host:port of workers, or dns:///name:port for all addresses of a name",
    )
    .option("--worker-key <key>", "a key with the scope admin, where workers ask for one");
  return runs<SwapFlags, [string, string | undefined]>(command, async ({ options, output }, name, ref) => {
    const answers: { worker: string; ref: string }[] = [];
    for (const worker of await discovery(options.workers)()) {
      const client = connectWorker(worker, () => [], options.workerKey);
      try {
        answers.push({ worker, ref: await client.swap(name, ref, timeoutMs) });
      } finally {
        client.close();
      }
    }
    output.result(answers, answers.map((answer) => `${answer.worker}: ${name} is ${answer.ref}`).join("\n"));
    return 0;
  });
}
