/**
 * Rows that are continued together. Their keys and values lie in memory that the session reads in place; a step writes
 * one slot of each row, and nothing else is copied but rows that beam search doubles.
 * B rows, T new tokens, P slots of the past, S source length, V vocabulary.
 */

import type { GenerativeModel, SequenceEnds } from "../models/generative.ts";
import type { Session } from "../runtime/session.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { RowStore } from "./row-store.ts";
import { encodeSources, type Source } from "./source.ts";
import { StepTensors, type Wanted } from "./step-tensors.ts";

/** The beginning of a row. */
export interface NewRow {
  /** At least one token. */
  readonly ids: readonly number[];
  /** By token, given or to come, 0 where none may attend; 1 beyond its end. Default: all 1. */
  readonly mask?: readonly number[];
  /** What the encoder of an encoder–decoder reads. */
  readonly source?: Source;
}

/** A row, the keys and values of whose tokens fill its first slots. */
interface Row {
  readonly ids: number[];
  readonly mask: readonly number[];
  /** Tells sources apart; rows that were doubled share theirs. */
  readonly sourceId: number;
  readonly sourceLength: number;
}

/** What a step says about the rows it was asked for. Overwritten by the next step. */
export class StepOutputs {
  /** `order`: where in the batch each row lies. */
  constructor(
    private readonly tensors: Readonly<Record<string, Tensor>>,
    private readonly order: readonly number[],
  ) {}

  /** The likeliest next token of a row. */
  token(row: number): number {
    return Number(this.tensors.token!.data[this.order[row]!]);
  }

  /** A row's scores of every token [V], which the caller may change. */
  scores(row: number, kind: Exclude<Wanted, "token">): Float32Array {
    const { data, shape } = this.tensors[kind]!;
    const [at, size] = [this.order[row]!, shape[1]!];
    return (data as Float32Array).subarray(at * size, (at + 1) * size);
  }

  /** The new tokens' keys and values [B, H, T, K] of all rows, by their names in the cache. */
  present(name: string): Tensor {
    return this.tensors[`present.${name}`]!;
  }
}

/** The rows' memory grows by this many slots at a time; every step computes over the unfilled ones too. */
const slotChunk = 64;

/**
 * Slots of a past that holds nothing. ONNX Runtime 1.30 ends the process when a matrix product on WebGPU has an inner
 * size of 0, so there it is one slot, which is masked.
 */
const emptySlots = (provider: Session["provider"]): number => (provider === "webgpu" ? 1 : 0);

export class Decoder {
  private readonly past: RowStore;
  private readonly fixed: RowStore;
  /** By place in the batch. */
  private rows: Row[] = [];
  /** Where in the batch each row lies. */
  private order: number[] = [];
  /** For steps of one token, as long as no size changes. */
  private reused: { readonly tensors: StepTensors; readonly feeds: Record<string, Tensor> } | undefined;
  private sourceCount = 0;

  /** Most tokens of a row. */
  readonly maxLength: number;
  /** Tokens that sequences begin and end with, where the model says so itself. */
  readonly ends: SequenceEnds | undefined;

  constructor(
    private readonly session: Session,
    private readonly encoder: Session | undefined,
    { maxLength = Number.POSITIVE_INFINITY, ends }: Pick<GenerativeModel, "maxLength" | "ends"> = {},
  ) {
    this.maxLength = maxLength;
    this.ends = ends;
    const named = (prefix: string) => session.inputs.filter(({ name }) => name.startsWith(prefix));
    this.past = new RowStore(named("past."), slotChunk);
    this.fixed = new RowStore(named("fixed."), 1);
  }

  get hasEncoder(): boolean {
    return this.encoder !== undefined;
  }

  get provider(): Session["provider"] {
    return this.session.provider;
  }

  /** Memory of one token of one row, its source not counted. */
  get tokenBytes(): number {
    return this.past.slotBytes;
  }

  /** Rows at present. */
  get count(): number {
    return this.rows.length;
  }

  /**
   * Adds rows behind those that are there, and computes what follows each. Row 0 of the outputs is the first new one.
   * @throws RequestError when a source does not fit the encoder.
   */
  async add(newRows: readonly NewRow[], wanted: Iterable<Wanted>): Promise<StepOutputs> {
    const first = this.rows.length;
    const tokens = Math.max(...newRows.map(({ ids }) => ids.length));
    const sourceLengths = await this.addSources(newRows);
    this.reserve(first + newRows.length, tokens);
    const past = emptySlots(this.provider);
    const sizes = { batch: newRows.length, tokens, past, source: this.fixed.slots };
    const tensors = new StepTensors(this.session, sizes);
    for (const [at, { ids, mask = [] }] of newRows.entries()) {
      const sourceLength = sourceLengths[at] ?? 0;
      tensors.setRow(at, { ids, length: 0, mask, sourceLength });
      this.rows.push({ ids: [...ids], mask, sourceId: this.sourceCount++, sourceLength });
      this.order.push(first + at);
    }
    const feeds = {
      ...tensors.feeds,
      ...this.past.empty(newRows.length, past),
      ...this.fixed.tensors(first, this.rows.length),
    };
    const outputs = await this.session.run(feeds, tensors.fetches(wanted));
    const present = presentOf(outputs);
    for (const [at, { ids }] of newRows.entries()) this.past.write(first + at, 0, present, at, ids.length);
    return new StepOutputs(outputs, [...newRows.keys()]);
  }

  /** Appends one token to each row, and computes what follows. */
  async step(tokens: readonly number[], wanted: Iterable<Wanted>): Promise<StepOutputs> {
    this.reserve(this.rows.length, Math.max(...this.rows.map(({ ids }) => ids.length)) + 1);
    const { tensors, feeds } = this.tensorsOfStep();
    for (const [row, at] of this.order.entries()) {
      const { ids, mask, sourceLength } = this.rows[at]!;
      tensors.setRow(at, { ids: [tokens[row]!], length: ids.length, mask, sourceLength });
    }
    const outputs = await this.session.run(feeds, tensors.fetches(wanted));
    const present = presentOf(outputs);
    for (const [row, at] of this.order.entries()) {
      const { ids } = this.rows[at]!;
      this.past.write(at, ids.length, present, at, 1);
      ids.push(tokens[row]!);
    }
    return new StepOutputs(outputs, this.order);
  }

  /**
   * Makes row i a continuation of the former row `parents[i]`; rows without one leave. Rows stay where they are if they
   * can, and of a row that is doubled, only what differs from the row it replaces is copied.
   */
  arrange(parents: readonly number[]): void {
    const from = parents.map((parent) => this.order[parent]!);
    this.reserve(parents.length, 0);
    const former = this.rows;
    const rows: Row[] = new Array(parents.length);
    const order = new Array<number>(parents.length);
    const moving: number[] = [];
    for (const [row, at] of from.entries()) {
      if (at >= parents.length || rows[at]) moving.push(row);
      else place(row, at, former[at]!);
    }
    const free = [...rows.keys()].filter((at) => !rows[at]);
    for (const row of moving) {
      const source = former[from[row]!]!;
      const [common, at] = takeNearest(free, source, former);
      this.past.copyRow(from[row]!, at, common, source.ids.length);
      if (former[at]?.sourceId !== source.sourceId)
        this.fixed.copyRow(from[row]!, at, 0, source.sourceLength);
      place(row, at, { ...source, ids: [...source.ids] });
    }
    this.rows = rows;
    this.order = order;
    if (rows.length === 0) this.clear();

    function place(row: number, at: number, content: Row): void {
      rows[at] = content;
      order[row] = at;
    }
  }

  async release(): Promise<void> {
    await this.session.release();
    await this.encoder?.release();
  }

  /** Encodes the rows' sources into the slots behind the present rows; returns their lengths. */
  private async addSources(newRows: readonly NewRow[]): Promise<readonly number[]> {
    if (!this.encoder) return [];
    const sources = newRows.map(({ source = {} }) => source);
    const encoded = await encodeSources(this.encoder, sources);
    const lengths = encoded.map(({ length }) => length);
    const first = this.rows.length;
    if (this.fixed.reserve(first + newRows.length, Math.max(...lengths))) this.reused = undefined;
    for (const [at, { outputs, row, length }] of encoded.entries())
      this.fixed.write(first + at, 0, outputs, row, length);
    return lengths;
  }

  private reserve(rows: number, slots: number): void {
    const hasMoved = [this.past.reserve(rows, slots), this.fixed.reserve(rows, 0)].includes(true);
    if (hasMoved) this.reused = undefined;
  }

  private tensorsOfStep(): { readonly tensors: StepTensors; readonly feeds: Record<string, Tensor> } {
    const batch = this.rows.length;
    if (this.reused?.tensors.sizes.batch === batch) return this.reused;
    const sizes = { batch, tokens: 1, past: this.past.slots, source: this.fixed.slots };
    const tensors = new StepTensors(this.session, sizes);
    const feeds = { ...tensors.feeds, ...this.past.tensors(0, batch), ...this.fixed.tensors(0, batch) };
    this.reused = { tensors, feeds };
    return this.reused;
  }

  private clear(): void {
    this.past.clear();
    this.fixed.clear();
    this.reused = undefined;
  }
}

const presentOf = (outputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(outputs).flatMap(([name, tensor]) =>
      name.startsWith("present.") ? [[name.replace("present.", "past."), tensor]] : [],
    ),
  );

/** Takes the free place whose former row begins most like `row`; with it, how many tokens they have in common. */
function takeNearest(free: number[], row: Row, former: readonly Row[]): [common: number, at: number] {
  let [best, common] = [0, -1];
  for (const [index, at] of free.entries()) {
    const shared = commonTokens(row, former[at]);
    if (shared > common) [best, common] = [index, shared];
  }
  return [common, free.splice(best, 1)[0]!];
}

function commonTokens(row: Row, other: Row | undefined): number {
  if (other?.sourceId !== row.sourceId) return 0;
  let count = 0;
  while (count < row.ids.length && row.ids[count] === other.ids[count]) count++;
  return count;
}
