/**
 * Runs pictures through a session in batches of one size. Pictures of all calls under way wait together, so that
 * concurrent callers share batches, and pictures are decoded while the session computes.
 */

import { setImmediate } from "node:timers/promises";
import type { Feeds, Session } from "../runtime/session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { BatchCost } from "./batch-cost.ts";
import type { BatchOrder } from "./batch-order.ts";
import { BatchQueue, type WaitingInput } from "./batch-queue.ts";
import { type BatchOptions, rowOf, type TextOutputs } from "./batch-runner.ts";

/** Its group are the shapes of its feeds. */
interface WaitingPicture extends WaitingInput {
  readonly feeds: Feeds;
  readonly resolve: (outputs: TextOutputs) => void;
}

/** Pictures of a batch at most: bounds the time until the first answer and the memory of a batch. */
const maxBatch = 8;

export interface ImageRunnerOptions extends Omit<BatchOptions, "maxBatchTokens"> {
  /** Area of a picture, 1 being what the model was trained at; batches of larger ones are smaller. Default 1. */
  readonly size?: number;
}

export class ImageRunner {
  private readonly waiting: BatchQueue<WaitingPicture>;
  private readonly batchesAhead: number;
  private underWay = 0;

  /** `outputs`: names of the outputs that are wanted. */
  constructor(
    private readonly session: Session,
    private readonly outputs: readonly string[],
    { cost = new BatchCost(), batchesAhead = 2, size = 1 }: ImageRunnerOptions = {},
  ) {
    this.waiting = new BatchQueue(cost, Math.max(1, Math.floor(maxBatch / size)));
    this.batchesAhead = batchesAhead;
  }

  /** The outputs for one picture, without the batch axis; feeds have one row. @throws as `BatchRunner.run`. */
  run(feeds: Feeds, order: BatchOrder = {}): Promise<TextOutputs> {
    const shapes = Object.values(feeds).map(({ shape }) => shape.join("×"));
    return new Promise((resolve, reject) => {
      this.waiting.add({ length: 1, group: shapes.join(), order, feeds, resolve, reject });
      queueMicrotask(() => this.start()); // after the pictures that the caller adds right now
    });
  }

  private start(): void {
    while (this.underWay < this.batchesAhead && this.waiting.size > 0) {
      const pictures = this.waiting.take();
      if (pictures.length === 0) return;
      this.underWay++;
      void this.runBatch(pictures);
    }
  }

  private async runBatch(batch: readonly WaitingPicture[]): Promise<void> {
    try {
      const feeds = joinRows(batch.map((picture) => picture.feeds));
      const results = await this.session.run(feeds, this.outputs, { give: true });
      for (const [row, { resolve }] of batch.entries()) resolve(rowOf(results, row));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      if (this.waiting.size > 0) await setImmediate(); // so that new pictures and cancellations come in
      this.underWay--;
      this.start();
    }
  }
}

/** Rows of the same names and shapes as one batch of float32. */
function joinRows(rows: readonly Feeds[]): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(rows[0]!).map(([name, { shape, size }]) => {
      const data = new Float32Array(size * rows.length);
      for (const [at, row] of rows.entries()) data.set(row[name]!.data as Float32Array, at * size);
      return [name, new Tensor("float32", [rows.length, ...shape.slice(1)], data)];
    }),
  );
}
