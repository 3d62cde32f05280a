/**
 * What one step of a decoder reads and writes, made once and filled anew for every step of the same sizes.
 * B rows, T new tokens, P slots of the past, S source length, V vocabulary.
 */

import type { Session } from "../runtime/session.ts";
import { Tensor } from "../tensor/tensor.ts";

/** What may be asked of a step: the likeliest next token of each row, or the scores of all. */
export type Wanted = "token" | "logits" | "log_probabilities";

/** Sizes that the session's symbolic dimensions have in a step. */
export interface StepSizes {
  readonly batch: number;
  readonly tokens: number;
  readonly past: number;
  /** 0 for a decoder alone. */
  readonly source: number;
}

/** One row of a step. */
export interface StepRow {
  /** 1 to T new tokens. */
  readonly ids: readonly number[];
  /** Slots that are filled. */
  readonly length: number;
  /** By slot, 0 where none may attend; 1 beyond its end. */
  readonly mask: readonly number[];
  readonly sourceLength: number;
}

export class StepTensors {
  private readonly inputIds: BigInt64Array;
  private readonly pastLengths: BigInt64Array;
  private readonly attentionMask: BigInt64Array;
  private readonly lastTokens: BigInt64Array;
  private readonly sourceMask: BigInt64Array;
  /** Inputs by name, without keys and values. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  private readonly outputs = new Map<string, Tensor>();

  constructor(
    private readonly session: Session,
    readonly sizes: StepSizes,
  ) {
    const { batch, tokens, past, source } = sizes;
    this.inputIds = new BigInt64Array(batch * tokens);
    this.pastLengths = new BigInt64Array(batch);
    this.attentionMask = new BigInt64Array(batch * (past + tokens));
    this.lastTokens = new BigInt64Array(batch);
    this.sourceMask = new BigInt64Array(batch * source);
    const all = {
      input_ids: new Tensor("int64", [batch, tokens], this.inputIds),
      past_lengths: new Tensor("int64", [batch], this.pastLengths),
      attention_mask: new Tensor("int64", [batch, past + tokens], this.attentionMask),
      last_tokens: new Tensor("int64", [batch], this.lastTokens),
      source_mask: new Tensor("int64", [batch, source], this.sourceMask),
    };
    const isRead = (name: string): boolean => session.inputs.some((input) => input.name === name);
    this.feeds = Object.fromEntries(Object.entries(all).filter(([name]) => isRead(name)));
  }

  setRow(at: number, { ids, length, mask, sourceLength }: StepRow): void {
    const { tokens, past, source } = this.sizes;
    for (let i = 0; i < tokens; i++) this.inputIds[at * tokens + i] = BigInt(ids[i] ?? 0);
    this.pastLengths[at] = BigInt(length);
    this.lastTokens[at] = BigInt(at * tokens + ids.length - 1);
    const start = at * (past + tokens);
    this.attentionMask.fill(0n, start, start + past + tokens);
    this.attentionMask.fill(1n, start, start + length);
    this.attentionMask.fill(1n, start + past, start + past + ids.length);
    for (let slot = 0; slot < Math.min(mask.length, length + ids.length); slot++) {
      if (mask[slot] === 0) this.attentionMask[start + (slot < length ? slot : past + slot - length)] = 0n;
    }
    this.sourceMask.fill(0n, at * source, (at + 1) * source);
    this.sourceMask.fill(1n, at * source, at * source + sourceLength);
  }

  /** Tensors to write into, by output name: what is wanted, and the new keys and values. */
  fetches(wanted: Iterable<Wanted>): Record<string, Tensor> {
    const names = new Set<string>(wanted);
    const targets: Record<string, Tensor> = {};
    for (const { name, dtype, shape } of this.session.outputs) {
      if (!names.has(name) && !name.startsWith("present.")) continue;
      const target = this.outputs.get(name) ?? Tensor.zeros(dtype, this.sized(shape));
      this.outputs.set(name, target);
      targets[name] = target;
    }
    return targets;
  }

  private sized(shape: readonly (number | string)[]): number[] {
    const { batch, tokens } = this.sizes;
    const bySymbol: Readonly<Record<string, number>> = { batch, tokens };
    return shape.map((dim) => (typeof dim === "number" ? dim : bySymbol[dim]!));
  }
}
