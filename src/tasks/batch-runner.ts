/**
 * Runs encoded texts through a session in small batches of like length. Texts of all calls under way wait in one
 * pool, so concurrent callers share batches, and texts are tokenised while the session's thread computes.
 * T tokens of the longest text of a batch.
 */

import { setImmediate } from "node:timers/promises";
import type { Session } from "../runtime/session.ts";
import { availableThreads } from "../runtime/threads.ts";
import { sizeOf, Tensor } from "../tensor/tensor.ts";
import { type PaddedBatch, padBatch } from "../text/batch.ts";
import { BatchCost } from "./batch-cost.ts";
import type { BatchOrder } from "./batch-order.ts";
import { BatchQueue, type WaitingInput } from "./batch-queue.ts";

/** The tokens of one model input. */
export interface EncodedText {
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
}

/** A model's outputs for one text, by name; [T, …] where an output has tokens, which may be more than the text's. */
export type TextOutputs = Readonly<Record<string, Tensor>>;

export interface BatchOptions {
  /** Most tokens of a padded batch, from 1; a longer text is a batch by itself. Default 128 for each CPU, from 256. */
  readonly maxBatchTokens?: number;
  /** What batches cost, learned elsewhere. Default: as BERT-base's, in proportion. */
  readonly cost?: BatchCost;
  /**
   * Batches given to the session at a time. Default 2: one computes, one waits, so that the session never does. 1 where
   * the session blocks this thread: what comes while a batch computes can join the next one.
   */
  readonly batchesAhead?: 1 | 2;
}

interface WaitingText extends WaitingInput {
  readonly encoding: EncodedText;
  readonly resolve: (outputs: TextOutputs) => void;
}

/**
 * Measured with layers of BERT-base on 2 CPUs: from 128 tokens on, one costs the same in batches of any size, and 256
 * sentences of SST-2 and SQuAD took 4.2 s at 256, 4.5 s at 128, 4.9 s at 512 and 5.8 s at 1,024.
 */
const defaultBatchTokens = 128 * Math.max(2, availableThreads());

export class BatchRunner {
  private readonly waiting: BatchQueue<WaitingText>;
  private readonly batchesAhead: number;
  private underWay = 0;

  /** `outputs`: names of the outputs that are wanted. */
  constructor(
    private readonly session: Session,
    private readonly padId: number,
    private readonly outputs: readonly string[],
    { maxBatchTokens = defaultBatchTokens, cost = new BatchCost(), batchesAhead = 2 }: BatchOptions = {},
  ) {
    this.waiting = new BatchQueue(cost, maxBatchTokens);
    this.batchesAhead = batchesAhead;
  }

  /**
   * The outputs for one text.
   * @throws what the session throws for the text's batch; RuntimeFailure, code interrupted or deadline, as `order` asks.
   */
  run(encoding: EncodedText, order: BatchOrder = {}): Promise<TextOutputs> {
    return new Promise((resolve, reject) => {
      this.waiting.add({ length: encoding.ids.length, group: "", order, encoding, resolve, reject });
      queueMicrotask(() => this.start()); // after the texts that the caller adds right now
    });
  }

  private start(): void {
    while (this.underWay < this.batchesAhead && this.waiting.size > 0) {
      const texts = this.waiting.take();
      if (texts.length === 0) return;
      this.underWay++;
      void this.runBatch(texts);
    }
  }

  private async runBatch(texts: readonly WaitingText[]): Promise<void> {
    try {
      const padded = padBatch(
        texts.map(({ encoding }) => encoding),
        { padId: this.padId },
      );
      const results = await this.session.run(feedsOf(this.session, padded), this.outputs, { give: true });
      for (const [row, { resolve }] of texts.entries()) resolve(rowOf(results, row));
    } catch (error) {
      for (const { reject } of texts) reject(error);
    } finally {
      if (this.waiting.size > 0) await setImmediate(); // so that new texts and cancellations come in
      this.underWay--;
      this.start();
    }
  }
}

/** Only what the model reads; a model of several choices gets each text as its only choice, [B, 1, T]. */
export function feedsOf(session: Pick<Session, "inputs">, padded: PaddedBatch): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const { name, shape } of session.inputs) {
    const tensor = padded[name as keyof PaddedBatch];
    if (!tensor) continue; // the session names what it lacks
    const [batch, length] = tensor.shape as [number, number];
    feeds[name] = shape.length === 3 ? tensor.reshape([batch, 1, length]) : tensor;
  }
  return feeds;
}

/** One row of a batch's outputs, no copy. */
export function rowOf(outputs: Readonly<Record<string, Tensor>>, row: number): TextOutputs {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { dtype, shape, data }]) => {
      const size = sizeOf(shape.slice(1));
      return [name, new Tensor(dtype, shape.slice(1), data.subarray(row * size, (row + 1) * size))];
    }),
  );
}
