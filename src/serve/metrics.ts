/** What the server tells Prometheus. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { packageVersion } from "../runtime/package-root.ts";
import type { CacheOutcome } from "./cache/answer-cache.ts";
import type { BatchRecord } from "./observed-session.ts";
import type { OpenModel } from "./served-models.ts";

/** How a prediction request ended. */
export type Outcome = "ok" | "invalid" | "rejected" | "cancelled" | "failed";

const secondBuckets = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

export class ServerMetrics {
  readonly registry = new Registry();
  private readonly requests: Counter<"model" | "outcome">;
  private readonly durations: Histogram<"model">;
  private readonly batchRows: Histogram<"model">;
  private readonly batchSeconds: Histogram<"model">;
  private readonly tokens: Counter<"model">;

  /** `openHosts` gives the models whose queues are reported; `cached` counts questions by how they were answered. */
  constructor(
    openHosts: () => readonly OpenModel[],
    cached: Readonly<Partial<Record<CacheOutcome, number>>> = {},
  ) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.requests = new Counter({
      name: "tesserae_requests_total",
      help: "Prediction requests by model and how they ended.",
      labelNames: ["model", "outcome"],
      registers,
    });
    this.durations = new Histogram({
      name: "tesserae_request_duration_seconds",
      help: "Time from a prediction request to its answer.",
      labelNames: ["model"],
      buckets: secondBuckets,
      registers,
    });
    this.batchRows = new Histogram({
      name: "tesserae_batch_size_texts",
      help: "Texts computed together in one batch.",
      labelNames: ["model"],
      buckets: [1, 2, 4, 8, 16, 32, 64, 128],
      registers,
    });
    this.batchSeconds = new Histogram({
      name: "tesserae_batch_duration_seconds",
      help: "Time one batch computed.",
      labelNames: ["model"],
      buckets: secondBuckets,
      registers,
    });
    this.tokens = new Counter({
      name: "tesserae_tokens_total",
      help: "Tokens computed, padding not counted.",
      labelNames: ["model"],
      registers,
    });
    this.addInfo(openHosts);
    this.addHostGauges(openHosts);
    this.addCacheCounter(cached);
  }

  /** What runs here, to be joined with other series by `model`. */
  private addInfo(openHosts: () => readonly OpenModel[]): void {
    new Gauge({
      name: "tesserae_build_info",
      help: "1, with what runs here.",
      labelNames: ["version", "node"],
      registers: [this.registry],
    }).set({ version: packageVersion, node: process.versions.node }, 1);
    new Gauge({
      name: "tesserae_model_info",
      help: "1 for each open model, with the parts of its reference.",
      labelNames: ["model", "name", "version", "variant"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { model } of openHosts()) this.set({ model: model.ref, ...partsOf(model.ref) }, 1);
      },
    });
  }

  private addHostGauges(openHosts: () => readonly OpenModel[]): void {
    new Gauge({
      name: "tesserae_queue_texts",
      help: "Inputs that wait or are being computed.",
      labelNames: ["model"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { model, queueLength } of openHosts()) this.set({ model: model.ref }, queueLength);
      },
    });
    new Gauge({
      name: "tesserae_model_refused",
      help: "1 where a variant did not pass its gate and the model answers in its place.",
      labelNames: ["model"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { model, refusal } of openHosts()) if (refusal) this.set({ model: model.ref }, 1);
      },
    });
  }

  private addCacheCounter(cached: Readonly<Partial<Record<CacheOutcome, number>>>): void {
    new Counter({
      name: "tesserae_cache_questions_total",
      help: "Questions answered from the cache (hit), together with one under way (joined), or computed (miss).",
      labelNames: ["outcome"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [outcome, count] of Object.entries(cached)) this.inc({ outcome }, count);
      },
    });
  }

  request(model: string, outcome: Outcome, durationMs: number): void {
    this.requests.inc({ model, outcome });
    if (outcome === "ok") this.durations.observe({ model }, durationMs / 1000);
  }

  batch(model: string, { rows, tokens, computeMs }: BatchRecord): void {
    this.batchRows.observe({ model }, rows);
    this.batchSeconds.observe({ model }, computeMs / 1000);
    this.tokens.inc({ model }, tokens);
  }
}

/** `reviews@3:int8` as its name, version and variant; "" for what it has not. */
function partsOf(ref: string): Record<"name" | "version" | "variant", string> {
  const [, name = ref, version = "", variant = ""] = /^([^@]*)(?:@([^:]*))?(?::(.*))?$/.exec(ref) ?? [];
  return { name, version, variant };
}
