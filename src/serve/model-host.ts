/** One served model, seen from the HTTP thread: starts its worker when first needed, and bounds what waits for it. */

import { RuntimeFailure } from "../errors.ts";
import { readConfig } from "../models/config.ts";
import { readsPicturesAlone } from "../models/picture-tasks.ts";
import { architectureOf } from "../models/registry.ts";
import { startThread, type Thread, workerUrl } from "../runtime/thread.ts";
import type { CatalogModel } from "../store/catalog.ts";
import { countInputs } from "./limits.ts";
import type { ModelApi, ModelDescription, ModelInit } from "./model-worker.ts";
import type { BatchRecord } from "./observed-session.ts";
import { OverloadError } from "./problem.ts";

export type HostState = "idle" | "loading" | "ready" | "failed";

export interface HostOptions extends Omit<ModelInit, "folder"> {
  /** Inputs that may wait or be computed at once. */
  readonly maxQueue: number;
  readonly onBatch?: (model: string, record: BatchRecord) => void;
}

type ModelThread = Thread<ModelApi>;

/** A pipeline's inputs, of which one list holds several, and its options. */
export interface Question {
  readonly inputs: unknown;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** When an answer is of use, and to whom. */
export interface PredictOptions {
  /** Aborts when nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now after which the answer is of no use; default: it always is. */
  readonly deadlineMs?: number | undefined;
  /** Default "normal". */
  readonly priority?: Priority | undefined;
  /** On whose behalf; tenants share a model fairly. Default: all are one. */
  readonly tenant?: string | undefined;
}

/** Under load, high gets four times the share of normal, and normal four times that of low. */
export type Priority = "high" | "normal" | "low";

/** Seconds a rejected caller is asked to wait before the speed of the model is known. */
const firstRetrySeconds = 1;

export class ModelHost {
  state: HostState = "idle";
  description: ModelDescription | undefined;
  /** Inputs that wait or are being computed. */
  queueLength = 0;
  private thread: Promise<ModelThread> | undefined;
  private pictures: boolean | undefined;
  private predictions = 0;
  /** Running mean of milliseconds per input, from request to answer. */
  private inputMs: number | undefined;
  private readonly underWay = new Set<Promise<unknown>>();

  constructor(
    readonly model: CatalogModel,
    private readonly options: HostOptions,
  ) {}

  /** Whether the model is asked about pictures. @throws ConfigError when its config does not hold. */
  async readsPictures(): Promise<boolean> {
    const { folder } = this.model;
    this.pictures ??= readsPicturesAlone(architectureOf(await readConfig(folder), folder).task);
    return this.pictures;
  }

  /** Starts the worker if there is none. @throws what opening the model throws. */
  async open(): Promise<ModelThread> {
    this.thread ??= this.start();
    return this.thread;
  }

  /**
   * The pipeline's result for `inputs`.
   * @throws OverloadError when too much waits; RuntimeFailure, code interrupted, when `signal` aborts.
   */
  async predict({ inputs, parameters }: Question, { signal }: PredictOptions = {}): Promise<unknown> {
    const count = countInputs(inputs);
    this.assertRoom(count);
    this.queueLength += count;
    const start = performance.now();
    const answer = this.call(inputs, parameters, signal);
    this.underWay.add(answer);
    try {
      const result = await answer;
      this.learnSpeed((performance.now() - start) / this.queueLength);
      return result;
    } finally {
      this.queueLength -= count;
      this.underWay.delete(answer);
    }
  }

  /** Waits for predictions under way, then ends the worker. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.underWay]);
    const thread = await this.thread?.catch(() => undefined);
    await thread?.terminate();
    this.state = "idle";
  }

  private async start(): Promise<ModelThread> {
    this.state = "loading";
    try {
      const { session } = this.options;
      const init: ModelInit = { folder: this.model.folder, ...(session && { session }) };
      const thread = await startThread<ModelApi>(workerUrl("serve/model-worker"), init);
      this.description = await thread.call("describe");
      this.state = "ready";
      return thread;
    } catch (error) {
      this.state = "failed";
      this.thread = undefined; // the next request tries again
      throw error;
    }
  }

  private async call(
    inputs: unknown,
    parameters: Readonly<Record<string, unknown>>,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const thread = await this.open();
    const id = this.predictions++;
    const cancel = (): void => void thread.call("cancel", id).catch(() => undefined);
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      const { result, batches } = await thread.call("predict", id, inputs, parameters);
      for (const record of batches) this.options.onBatch?.(this.model.ref, record);
      return result;
    } catch (error) {
      if (error instanceof RuntimeFailure && error.code === "runtime") await this.dropDeadThread(thread);
      throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** A worker that died answers nothing; the next request starts another. */
  private async dropDeadThread(thread: ModelThread): Promise<void> {
    const isAlive = await thread.call("describe").then(
      () => true,
      () => false,
    );
    if (isAlive) return;
    this.thread = undefined;
    this.state = "idle";
  }

  private assertRoom(count: number): void {
    const { maxQueue } = this.options;
    // A request larger than the whole queue is answered when nothing waits.
    if (this.queueLength === 0 || this.queueLength + count <= maxQueue) return;
    const waitMs = (this.inputMs ?? 0) * this.queueLength;
    throw new OverloadError(
      `model ${this.model.ref}: ${this.queueLength} inputs wait already, at most ${maxQueue} may; retry later`,
      Math.min(60, Math.max(firstRetrySeconds, Math.ceil(waitMs / 1000))),
    );
  }

  private learnSpeed(inputMs: number): void {
    this.inputMs = this.inputMs === undefined ? inputMs : 0.9 * this.inputMs + 0.1 * inputMs;
  }
}
