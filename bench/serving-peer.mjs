/**
 * A server as one writes it with Fastify and transformers.js. Arguments: model folder, `single` (a pipeline call for each
 * request) or `batched` (requests that wait while the model computes are padded and computed together, at most 8: more
 * cost it more in padding than they give).
 */

import { basename, dirname } from "node:path";
import { env, pipeline } from "@huggingface/transformers";
import Fastify from "fastify";

const [folder, kind] = process.argv.slice(2);
const maxBatch = 8;
env.allowRemoteModels = false;
env.localModelPath = `${dirname(folder)}/`;
const classify = await pipeline("text-classification", basename(folder), { dtype: "fp32" });

/** Requests that wait for the next batch. */
const waiting = [];
let isComputing = false;

function batched(text) {
  return new Promise((resolve, reject) => {
    waiting.push({ text, resolve, reject });
    void computeAll();
  });
}

async function computeAll() {
  if (isComputing) return;
  isComputing = true;
  while (waiting.length > 0) {
    const batch = waiting.splice(0, maxBatch);
    try {
      const answers = await classify(batch.map(({ text }) => text));
      for (const [at, { resolve }] of batch.entries()) resolve([answers[at]]);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
  isComputing = false;
}

const answer = kind === "batched" ? batched : (text) => classify(text);
const server = Fastify();
server.post("/predict", async ({ body }) => answer(body.inputs));
console.log(await server.listen({ host: "127.0.0.1", port: 0 }));
process.once("SIGTERM", () => process.exit(0));
