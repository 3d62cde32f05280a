/**
 * Runs pictures through a session in batches of one size. Pictures of all calls under way wait together, so that
 * concurrent callers share batches, and pictures are decoded while the session computes.
 */

import type { Feeds, Session } from "../runtime/session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { rowOf, type TextOutputs } from "./batch-runner.ts";

interface WaitingPicture {
  readonly feeds: Feeds;
  /** Says which pictures may share a batch. */
  readonly shapes: string;
  readonly resolve: (outputs: TextOutputs) => void;
  readonly reject: (error: unknown) => void;
}

/** Pictures of a batch at most: bounds the time until the first answer and the memory of a batch. */
const maxBatch = 8;
/** Batches given to the session at a time: one computes, one waits. */
const maxUnderWay = 2;

export class ImageRunner {
  private waiting: WaitingPicture[] = [];
  private underWay = 0;

  /** `outputs`: names of the outputs that are wanted. */
  constructor(
    private readonly session: Session,
    private readonly outputs: readonly string[],
  ) {}

  /** The outputs for one picture, without the batch axis; feeds have one row. @throws what the session throws. */
  run(feeds: Feeds): Promise<TextOutputs> {
    const shapes = Object.values(feeds).map(({ shape }) => shape.join("×"));
    return new Promise((resolve, reject) => {
      this.waiting.push({ feeds, shapes: shapes.join(), resolve, reject });
      queueMicrotask(() => this.start()); // after the pictures that the caller adds right now
    });
  }

  private start(): void {
    while (this.underWay < maxUnderWay && this.waiting.length > 0) {
      this.underWay++;
      void this.runBatch(this.take());
    }
  }

  /** The picture that waits longest, with others of its size. */
  private take(): WaitingPicture[] {
    const [oldest] = this.waiting;
    const batch = this.waiting.filter(({ shapes }) => shapes === oldest!.shapes).slice(0, maxBatch);
    this.waiting = this.waiting.filter((picture) => !batch.includes(picture));
    return batch;
  }

  private async runBatch(batch: readonly WaitingPicture[]): Promise<void> {
    try {
      const feeds = joinRows(batch.map((picture) => picture.feeds));
      const results = await this.session.run(feeds, this.outputs, { give: true });
      for (const [row, { resolve }] of batch.entries()) resolve(rowOf(results, row));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
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
