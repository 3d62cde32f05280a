/**
 * Runs encoded texts through a session in small batches of like length. Texts of all calls under way wait in one
 * pool, so concurrent callers share batches, and texts are tokenised while the session's thread computes.
 * T tokens of the longest text of a batch.
 */

import type { Session } from "../runtime/session.ts";
import { availableThreads } from "../runtime/threads.ts";
import { sizeOf, Tensor } from "../tensor/tensor.ts";
import { type PaddedBatch, padBatch } from "../text/batch.ts";

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
}

interface WaitingText {
  readonly encoding: EncodedText;
  readonly resolve: (outputs: TextOutputs) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Measured with layers of BERT-base on 2 CPUs: from 128 tokens on, one costs the same in batches of any size, and 256
 * sentences of SST-2 and SQuAD took 4.2 s at 256, 4.5 s at 128, 4.9 s at 512 and 5.8 s at 1,024.
 */
const defaultBatchTokens = 128 * Math.max(2, availableThreads());

/** Batches given to the session at a time: one computes, one waits, so that the session never does. */
const maxUnderWay = 2;

export class BatchRunner {
  private readonly waiting = new WaitingTexts();
  private readonly maxBatchTokens: number;
  private underWay = 0;

  /** `outputs`: names of the outputs that are wanted. */
  constructor(
    private readonly session: Session,
    private readonly padId: number,
    private readonly outputs: readonly string[],
    { maxBatchTokens = defaultBatchTokens }: BatchOptions = {},
  ) {
    this.maxBatchTokens = maxBatchTokens;
  }

  /** The outputs for one text. @throws what the session throws for the text's batch. */
  run(encoding: EncodedText): Promise<TextOutputs> {
    return new Promise((resolve, reject) => {
      this.waiting.add({ encoding, resolve, reject });
      queueMicrotask(() => this.start()); // after the texts that the caller adds right now
    });
  }

  private start(): void {
    while (this.underWay < maxUnderWay && this.waiting.size > 0) {
      this.underWay++;
      void this.runBatch(this.waiting.take(this.maxBatchTokens));
    }
  }

  private async runBatch(texts: readonly WaitingText[]): Promise<void> {
    try {
      const padded = padBatch(
        texts.map(({ encoding }) => encoding),
        { padId: this.padId },
      );
      const results = await this.session.run(this.feeds(padded), this.outputs, { give: true });
      for (const [row, { resolve }] of texts.entries()) resolve(rowOf(results, row));
    } catch (error) {
      for (const { reject } of texts) reject(error);
    } finally {
      this.underWay--;
      this.start();
    }
  }

  /** Only what the model reads; a model of several choices gets each text as its only choice, [B, 1, T]. */
  private feeds(padded: PaddedBatch): Record<string, Tensor> {
    const feeds: Record<string, Tensor> = {};
    for (const { name, shape } of this.session.inputs) {
      const tensor = padded[name as keyof PaddedBatch];
      if (!tensor) continue; // the session names what it lacks
      const [batch, length] = tensor.shape as [number, number];
      feeds[name] = shape.length === 3 ? tensor.reshape([batch, 1, length]) : tensor;
    }
    return feeds;
  }
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

/**
 * Most tokens of padding in a batch. One more batch costs BERT-base about as much as 14 tokens, so a text of quite
 * another length had better wait for a batch that suits it.
 */
const maxPadding = 16;

/** The pool: the text that waits longest comes next, with those nearest to it in length. */
class WaitingTexts {
  private readonly inOrder = new Set<WaitingText>();
  private readonly byLength = new Map<number, Set<WaitingText>>();

  get size(): number {
    return this.inOrder.size;
  }

  add(text: WaitingText): void {
    const { length } = text.encoding.ids;
    const bucket = this.byLength.get(length) ?? new Set();
    this.byLength.set(length, bucket.add(text));
    this.inOrder.add(text);
  }

  /** Removes and returns a batch of at most `maxTokens` padded tokens, or of one text. */
  take(maxTokens: number): WaitingText[] {
    const [oldest] = this.inOrder;
    const { length } = oldest!.encoding.ids;
    const batch: WaitingText[] = [];
    this.remove(oldest!, batch);
    let [longest, padding] = [length, 0];
    for (const near of lengthsAround(length)) {
      for (const text of this.byLength.get(near) ?? []) {
        const added = near > longest ? (near - longest) * batch.length : longest - near;
        const tokens = (batch.length + 1) * Math.max(longest, near);
        if (padding + added > maxPadding || tokens > maxTokens) break;
        padding += added;
        longest = Math.max(longest, near);
        this.remove(text, batch);
      }
    }
    return batch;
  }

  private remove(text: WaitingText, batch: WaitingText[]): void {
    const { length } = text.encoding.ids;
    const bucket = this.byLength.get(length)!;
    bucket.delete(text);
    if (bucket.size === 0) this.byLength.delete(length);
    this.inOrder.delete(text);
    batch.push(text);
  }
}

/** A length and its neighbours, the nearest first. */
function* lengthsAround(length: number): Generator<number> {
  yield length;
  for (let distance = 1; distance <= maxPadding; distance++) {
    yield length - distance;
    yield length + distance;
  }
}
