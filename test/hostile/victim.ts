/** A server to be attacked: a model of texts and one of pictures, both tiny. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { FastifyInstance } from "fastify";
import { buildServer } from "../../src/serve/server.ts";
import { Catalog } from "../../src/store/catalog.ts";
import { ModelStore } from "../../src/store/store.ts";
import { tinyVit, writeTinyImageModel } from "../support/tiny-images.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../support/tiny-model.ts";

export interface Victim {
  readonly server: FastifyInstance;
  readonly url: string;
}

/** Listens on a free port. `onDefect` is told each line that it logs as an error. */
export async function startVictim(folder: string, onDefect: (line: string) => void): Promise<Victim> {
  const text = await writeTinyModel(
    join(folder, "reviews"),
    tinyConfig("BertForSequenceClassification", withLabels("bad", "good")),
  );
  const pictures = await writeTinyImageModel(join(folder, "pictures"), tinyVit);
  const server = await buildServer({
    catalog: new Catalog(new ModelStore(join(folder, "home")), join(folder, "none")),
    models: [text, pictures],
    session: { threads: 1 },
    log: onDefect,
    logLevel: "error",
  });
  const url = await server.listen({ host: "127.0.0.1", port: 0 });
  while ((await fetch(`${url}/health/ready`)).status !== 200) await sleep(50);
  return { server, url };
}

/** What `victim-process.ts` tells its parent. */
export type VictimMessage = { readonly url: string } | { readonly defect: string };

export interface VictimProcess {
  readonly url: string;
  /** Lines that it logged as errors. */
  readonly defects: readonly string[];
  /** How the process ended by itself; undefined while it lives. */
  crash(): string | undefined;
  stop(): Promise<void>;
}

/** Starts a victim in a process of its own, which may die without taking the attackers with it. */
export async function forkVictim(): Promise<VictimProcess> {
  const child = fork(fileURLToPath(new URL("victim-process.ts", import.meta.url)));
  const defects: string[] = [];
  let ended: string | undefined;
  child.once("exit", (code, signal) => {
    ended = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.on("message", (message: VictimMessage) => {
      if ("url" in message) resolve(message.url);
      else defects.push(message.defect);
    });
    child.once("exit", () => reject(new Error(`the server to be attacked ${ended} before it listened`)));
  });
  return {
    url,
    defects,
    crash: () => ended,
    stop: async () => {
      if (ended !== undefined) return;
      child.disconnect();
      await once(child, "exit");
    },
  };
}
