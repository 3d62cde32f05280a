/** A server to be attacked: a model of texts and one of pictures, both tiny. */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { buildServer } from "../../src/serve/server.ts";
import { Catalog } from "../../src/store/catalog.ts";
import { ModelStore } from "../../src/store/store.ts";
import { tinyVit, writeTinyImageModel } from "../support/tiny-images.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../support/tiny-model.ts";

/** Listens on a free port; what it logs as errors are defects. */
export async function startVictim(
  folder: string,
): Promise<{ server: FastifyInstance; url: string; defects: string[] }> {
  const text = await writeTinyModel(
    join(folder, "reviews"),
    tinyConfig("BertForSequenceClassification", withLabels("bad", "good")),
  );
  const pictures = await writeTinyImageModel(join(folder, "pictures"), tinyVit);
  const defects: string[] = [];
  const server = await buildServer({
    catalog: new Catalog(new ModelStore(join(folder, "home")), join(folder, "none")),
    models: [text, pictures],
    session: { threads: 1 },
    log: (line) => defects.push(line),
    logLevel: "error",
  });
  const url = await server.listen({ host: "127.0.0.1", port: 0 });
  while ((await fetch(`${url}/health/ready`)).status !== 200) await sleep(50);
  return { server, url, defects };
}
