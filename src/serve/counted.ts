/** How requests for a model end, counted in one place for all protocols. */

import type { FastifyReply } from "fastify";
import { TesseraeError } from "../errors.ts";
import type { Outcome, ServerMetrics } from "./metrics.ts";

/** One request under way. */
export class RequestCount {
  private readonly startMs = performance.now();
  private model = "unknown"; // names that callers make up are not counted

  constructor(private readonly metrics: ServerMetrics) {}

  /** Says the model's reference, as soon as it is known. */
  named(ref: string): void {
    this.model = ref;
  }

  /** Counts the request, once. */
  end(error?: unknown): void {
    const outcome = error === undefined ? "ok" : outcomeOf(error);
    this.metrics.request(this.model, outcome, performance.now() - this.startMs);
  }
}

/** The result of `work`, counted when it is there. */
export async function counted<T>(
  metrics: ServerMetrics,
  work: (count: RequestCount) => Promise<T>,
): Promise<T> {
  const count = new RequestCount(metrics);
  try {
    const result = await work(count);
    count.end();
    return result;
  } catch (error) {
    count.end(error);
    throw error;
  }
}

/** Aborts when the client goes away before its answer is sent. */
export function abortOnDisconnect({ raw }: FastifyReply): AbortSignal {
  const controller = new AbortController();
  raw.once("close", () => {
    if (!raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof TesseraeError)) return "failed";
  if (error.code === "overloaded") return "rejected";
  if (error.code === "interrupted") return "cancelled";
  return error.status < 500 ? "invalid" : "failed";
}
