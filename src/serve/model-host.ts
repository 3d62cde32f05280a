/**
 * One generation of a served model, seen from the HTTP thread: opened in a thread of its own when first needed, with a
 * bound on what waits for it. A variant that does not pass its gate is answered for by the model that it is a variant of.
 */

import { readConfig } from "../models/config.ts";
import { readsPictures } from "../models/picture-tasks.ts";
import { architectureOf } from "../models/registry.ts";
import type { CatalogModel } from "../store/catalog.ts";
import type { Priority } from "../tasks/batch-order.ts";
import type { GenerationDetails } from "../tasks/text-generation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { sharedFolder } from "../weights/variant-folder.ts";
import { Admission } from "./admission.ts";
import { asStream } from "./as-stream.ts";
import type { AnswerCache } from "./cache/answer-cache.ts";
import { answerKey, isRepeatable, modelDigest } from "./cache/answer-key.ts";
import type { LiveState } from "./gateway/model-facts.ts";
import { GiveUp } from "./give-up.ts";
import type { GraphCall, GraphDescription } from "./graph-call.ts";
import { countInputs } from "./limits.ts";
import { ModelThread, type ThreadOptions } from "./model-thread.ts";
import type { ModelDescription, Question, Terms } from "./model-worker.ts";
import type { BatchRecord } from "./observed-session.ts";
import type { ServedModel } from "./served-models.ts";
import { ThreadKeeper, type ThreadState } from "./thread-keeper.ts";
import { inSpan, traceBatch } from "./tracing.ts";

export type { Priority } from "../tasks/batch-order.ts";
export type { Question } from "./model-worker.ts";
export type HostState = ThreadState;

export interface HostOptions extends Omit<ThreadOptions, "folder" | "onDeath"> {
  /** Inputs that may wait or be computed at once. */
  readonly maxQueue: number;
  /** Default: none, every question is computed. */
  readonly cache?: AnswerCache | undefined;
  readonly onBatch?: (model: string, record: BatchRecord) => void;
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

export class ModelHost implements ServedModel {
  description: ModelDescription | undefined;
  /** Why the variant that was asked for does not answer, but `model` does. */
  refusal: string | undefined;
  private readonly keeper: ThreadKeeper;
  private readonly admission: Admission;
  private digest = "";
  private pictures: boolean | undefined;
  private calls = 0;
  private isClosed = false;
  private readonly underWay = new Set<Promise<unknown>>();

  /** `successor` gives what answers for a model whose host was closed. */
  constructor(
    public model: CatalogModel,
    private readonly options: HostOptions,
    private readonly successor: (ref: string) => Promise<ModelHost> = () => Promise.resolve(this),
  ) {
    this.keeper = new ThreadKeeper(model.ref, (onDeath) => this.start(onDeath));
    this.admission = new Admission(model.ref, options.maxQueue);
  }

  get state(): HostState {
    return this.keeper.state;
  }

  /** Inputs that wait or are being computed. */
  get queueLength(): number {
    return this.admission.queueLength;
  }

  /** Whether it can answer now, and how soon. */
  live(): LiveState {
    const { latencyMs, waitMs } = this.admission;
    const reason =
      this.state === "failed" ? "does not open" : this.keeper.pauseMs > 0 ? "its worker died" : undefined;
    return {
      isAvailable: reason === undefined,
      ...(reason !== undefined && { reason }),
      ...(latencyMs !== undefined && { latencyMs }),
      waitMs,
    };
  }

  /** Whether questions to the model hold pictures. @throws ConfigError when its config does not hold. */
  async readsPictures(): Promise<boolean> {
    const { folder } = this.model;
    this.pictures ??= readsPictures(architectureOf(await readConfig(folder), folder).task);
    return this.pictures;
  }

  /** Starts the worker if there is none. @throws what opening the model throws. */
  async open(): Promise<void> {
    await this.keeper.get();
  }

  /** What the model's graph takes and gives, undefined where it is not one graph. @throws as `open`. */
  async graph(): Promise<GraphDescription | undefined> {
    return (await this.keeper.get()).description.graph;
  }

  /**
   * The pipeline's result.
   * @throws OverloadError when too much waits; RuntimeFailure, code interrupted, deadline or unavailable; what opening the
   * model and the pipeline throw.
   */
  async predict(question: Question, options: PredictOptions = {}): Promise<unknown> {
    if (this.isClosed) return (await this.successor(this.model.ref)).predict(question, options);
    const { cache } = this.options;
    return this.admitted(countInputs(question.inputs), options, (thread, signal) => {
      const ask = (asking: AbortSignal) => this.ask(thread, question, termsOf(options), asking);
      const isKept = cache && isRepeatable(question, thread.description.samples);
      return isKept ? this.cachedAnswer(cache, question, ask, signal) : ask(signal);
    });
  }

  /** Runs the graph itself on tensors. @throws ShapeError when they do not fit it, and as `predict`. */
  async infer(call: GraphCall, options: PredictOptions = {}): Promise<Readonly<Record<string, Tensor>>> {
    if (this.isClosed) return (await this.successor(this.model.ref)).infer(call, options);
    return this.admitted(1, options, (thread, signal) =>
      this.cancellable(thread, signal, (id) => thread.call("infer", id, call)),
    );
  }

  /** What follows a text, in pieces as they come; leaving the loop early stops the work. @throws as `predict`. */
  async *stream(question: Question, options: PredictOptions = {}): AsyncGenerator<string, GenerationDetails> {
    if (this.isClosed) return yield* (await this.successor(this.model.ref)).stream(question, options);
    return yield* asStream<string, GenerationDetails>(options.signal, (push, caller) =>
      this.admitted(1, { ...options, signal: caller }, (thread, signal) =>
        this.cancellable(thread, signal, async (id) => {
          const end = thread.call("stream", id, question, termsOf(options));
          end.catch(() => undefined); // reported after the last piece
          for (;;) {
            const pieces = await thread.call("pieces", id);
            if (pieces.length === 0) return end;
            for (const piece of pieces) push(piece);
          }
        }),
      ),
    );
  }

  /** Waits for all that is under way, then ends the worker. What is asked later goes to the successor. */
  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.allSettled([...this.underWay]);
    await this.keeper.stop();
  }

  /** Work for some inputs when there is room for them, given up when the caller does. */
  private async admitted<T>(
    count: number,
    { signal, deadlineMs }: PredictOptions,
    work: (thread: ModelThread, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const leave = this.admission.enter(count, deadlineMs);
    const giveUp = new GiveUp(signal, deadlineMs);
    const done = this.keeper
      .get()
      .then((thread) => {
        giveUp.signal.throwIfAborted();
        return work(thread, giveUp.signal);
      })
      .finally(() => {
        leave();
        giveUp.end();
        this.underWay.delete(done);
      });
    this.underWay.add(done);
    return giveUp.race(done);
  }

  private cachedAnswer(
    cache: AnswerCache,
    question: Question,
    ask: (signal: AbortSignal) => Promise<unknown>,
    signal: AbortSignal,
  ): Promise<unknown> {
    return inSpan("cache", {}, (span) => {
      const compute = (asking: AbortSignal): Promise<unknown> => {
        span.setAttribute("cache.miss", true);
        return ask(asking);
      };
      return cache.answer(answerKey(this.digest, question), compute, signal);
    });
  }

  private ask(thread: ModelThread, question: Question, terms: Terms, signal: AbortSignal): Promise<unknown> {
    return inSpan("model", { "model.ref": this.model.ref }, async () => {
      const startMs = Date.now();
      const { result, batches, lastBatch } = await this.admission.timed(countInputs(question.inputs), () =>
        this.cancellable(thread, signal, (id) => thread.call("predict", id, question, terms)),
      );
      for (const record of batches) this.options.onBatch?.(this.model.ref, record);
      if (lastBatch) traceBatch(lastBatch.record, { startMs, endMs: lastBatch.endMs });
      return result;
    });
  }

  /** A call into the thread that is cancelled there when `signal` aborts. */
  private async cancellable<T>(
    thread: ModelThread,
    signal: AbortSignal,
    call: (id: number) => Promise<T>,
  ): Promise<T> {
    const id = this.calls++;
    const cancel = (): void => void thread.call("cancel", id).catch(() => undefined);
    signal.addEventListener("abort", cancel, { once: true });
    try {
      const result = call(id);
      if (signal.aborted) cancel();
      return await result;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  private async start(onDeath: () => void): Promise<ModelThread> {
    try {
      return await this.startThread(onDeath);
    } catch (error) {
      if (!this.model.variant) throw error;
      this.refusal = (error as Error).message;
      this.model = withoutVariant(this.model);
      return this.startThread(onDeath);
    }
  }

  private async startThread(onDeath: () => void): Promise<ModelThread> {
    const { maxQueue: _, cache: __, onBatch: ___, ...options } = this.options;
    const thread = await ModelThread.start({ ...options, folder: this.model.folder, onDeath });
    this.description = thread.description;
    this.digest = await modelDigest(this.model);
    return thread;
  }
}

/** The model that a variant is one of. */
function withoutVariant({ variant, ...model }: CatalogModel): CatalogModel {
  const ref = model.ref.slice(0, -1 - variant!.name.length);
  return { ...model, ref, folder: sharedFolder(model.folder) };
}

function termsOf({ deadlineMs, priority, tenant }: PredictOptions): Terms {
  return { deadline: deadlineMs === undefined ? undefined : Date.now() + deadlineMs, priority, tenant };
}
