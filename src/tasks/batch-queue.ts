/**
 * What waits for its batch, and which batch comes next.
 *
 * - Tenants and priorities have accounts, charged with the tokens computed for them; who was charged least leads the next
 *   batch and has the first choice of its other places (virtual token counters, Sheng et al. 2024,
 *   https://arxiv.org/abs/2401.00588, with weights).
 * - Within an account the earliest deadline comes first.
 * - A batch holds inputs of like length: its padding costs no more than another batch would.
 * - A batch stays so small that whoever waits can still be answered in time; what cannot, and what nobody waits for, is
 *   dropped before it is computed.
 */

import type { BatchCost } from "./batch-cost.ts";
import { type BatchOrder, cancelled, type Priority, tooLate } from "./batch-order.ts";

export interface WaitingInput {
  /** In tokens; of a picture 1. */
  readonly length: number;
  /** Inputs of one group may share a batch. */
  readonly group: string;
  readonly order: BatchOrder;
  readonly reject: (error: unknown) => void;
}

/** What a tenant has been given at one priority. */
interface Account {
  /** Tokens computed, divided by the priority's weight. */
  charged: number;
  readonly weight: number;
  waiting: number;
}

/** What waits of one account and group. Inputs of each length are in the order in which they are due. */
interface Lane<Input> {
  readonly account: Account;
  readonly group: string;
  readonly byLength: Map<number, Entry<Input>[]>;
}

interface Entry<Input> {
  readonly input: Input;
  readonly due: number;
}

const weights: Readonly<Record<Priority, number>> = { high: 16, normal: 4, low: 1 };

/** What has no deadline is due after this, so that others do not pass it for ever. */
const patienceMs = 2000;

export class BatchQueue<Input extends WaitingInput> {
  private readonly lanes = new Map<string, Lane<Input>>();
  private readonly accounts = new Map<string, Account>();
  /** What the last leader had been charged: nobody who comes anew has been charged less. */
  private clock = 0;
  private count = 0;

  /** `maxTokens`: most padded tokens of a batch; an input with more is a batch by itself. */
  constructor(
    private readonly cost: BatchCost,
    private readonly maxTokens: number,
  ) {}

  get size(): number {
    return this.count;
  }

  add(input: Input): void {
    const { account, byLength } = this.laneOf(input);
    if (account.waiting === 0) account.charged = Math.max(account.charged, this.clock);
    account.waiting++;
    this.count++;
    const entries = byLength.get(input.length) ?? [];
    byLength.set(input.length, entries);
    const due = Math.min(input.order.deadline ?? Number.POSITIVE_INFINITY, Date.now() + patienceMs);
    let at = entries.length;
    while (at > 0 && entries[at - 1]!.due > due) at--;
    entries.splice(at, 0, { input, due });
  }

  /** Removes and returns the next batch; empty when nothing that waits is wanted in time. */
  take(): Input[] {
    const slackMs = this.dropUnwanted(Date.now());
    const leader = this.leader();
    if (!leader) return [];
    const batch = new Batch<Input>(this.cost, this.maxTokens, slackMs);
    this.clock = leader.lane.account.charged;
    this.move(leader.lane, leader.length, batch);
    const lanes = new Set([...this.lanes.values()].filter(({ group }) => group === leader.lane.group));
    while (lanes.size > 0) {
      const [lane] = [...lanes].sort((a, b) => byTurn(a.account, b.account)) as [Lane<Input>];
      const length = batch.nearestLength(lane.byLength);
      if (length === undefined) lanes.delete(lane);
      else this.move(lane, length, batch);
    }
    this.forgetIdle();
    return batch.inputs;
  }

  private laneOf({ group, order: { tenant = "", priority = "normal" } }: Input): Lane<Input> {
    const owner = JSON.stringify([tenant, priority]);
    const key = `${owner} ${group}`;
    const known = this.lanes.get(key);
    if (known) return known;
    const account = this.accounts.get(owner) ?? { charged: 0, weight: weights[priority], waiting: 0 };
    this.accounts.set(owner, account);
    const lane: Lane<Input> = { account, group, byLength: new Map() };
    this.lanes.set(key, lane);
    return lane;
  }

  /** Where the input lies that is due first of the account that was charged least. */
  private leader(): { lane: Lane<Input>; length: number } | undefined {
    const [account] = [...this.accounts.values()].filter(({ waiting }) => waiting > 0).sort(byTurn);
    let first: { lane: Lane<Input>; length: number; due: number } | undefined;
    for (const lane of this.lanes.values()) {
      if (lane.account !== account) continue;
      for (const [length, [entry]] of lane.byLength)
        if (!first || entry!.due < first.due) first = { lane, length, due: entry!.due };
    }
    return first;
  }

  /** Takes the first input of a length from its lane into the batch. */
  private move({ account, byLength }: Lane<Input>, length: number, batch: Batch<Input>): void {
    const entries = byLength.get(length)!;
    batch.add(entries.shift()!.input);
    if (entries.length === 0) byLength.delete(length);
    account.charged += length / account.weight;
    account.waiting--;
    this.count--;
  }

  /**
   * Rejects what nobody waits for and what cannot be computed in time. Returns the milliseconds that a batch may take so
   * that everything else still can.
   */
  private dropUnwanted(now: number): number {
    let slackMs = Number.POSITIVE_INFINITY;
    for (const { account, byLength } of this.lanes.values()) {
      for (const [length, entries] of byLength) {
        const aloneMs = this.cost.predict({ rows: 1, length }) ?? 0;
        const kept = entries.filter(({ input }) => {
          const { signal, deadline = Number.POSITIVE_INFINITY } = input.order;
          const spareMs = deadline - now - aloneMs;
          if (signal?.aborted) input.reject(cancelled());
          else if (spareMs < 0) input.reject(tooLate());
          else slackMs = Math.min(slackMs, spareMs);
          return !signal?.aborted && spareMs >= 0;
        });
        account.waiting -= entries.length - kept.length;
        this.count -= entries.length - kept.length;
        if (kept.length === 0) byLength.delete(length);
        else if (kept.length < entries.length) byLength.set(length, kept);
      }
    }
    return slackMs;
  }

  /** Lanes of callers that come once must not stay for ever. An account is kept while it is ahead of the others. */
  private forgetIdle(): void {
    for (const [key, { byLength }] of this.lanes) if (byLength.size === 0) this.lanes.delete(key);
    for (const [owner, { waiting, charged }] of this.accounts) {
      if (waiting === 0 && (this.count === 0 || charged <= this.clock)) this.accounts.delete(owner);
    }
    if (this.count === 0) this.clock = 0;
  }
}

/** Who was charged least comes first, of equals who has the higher priority. */
const byTurn = (a: Account, b: Account): number => a.charged - b.charged || b.weight - a.weight;

/** A batch while it is filled. */
class Batch<Input extends WaitingInput> {
  readonly inputs: Input[] = [];
  private longest = 0;
  /** Tokens of padding. */
  private padding = 0;

  /** `slackMs`: most time that it may take. */
  constructor(
    private readonly cost: BatchCost,
    private readonly maxTokens: number,
    private readonly slackMs: number,
  ) {}

  add(input: Input): void {
    this.padding += this.paddingOf(input.length);
    this.longest = Math.max(this.longest, input.length);
    this.inputs.push(input);
  }

  /** The length nearest to the batch's of which one more input fits; undefined when none does. */
  nearestLength(byLength: ReadonlyMap<number, unknown>): number | undefined {
    const distance = (length: number): number => Math.abs(length - this.longest);
    const fitting = [...byLength.keys()].filter((length) => this.fits(length));
    return fitting.sort((a, b) => distance(a) - distance(b))[0];
  }

  private fits(length: number): boolean {
    const shape = { rows: this.inputs.length + 1, length: Math.max(this.longest, length) };
    return (
      this.padding + this.paddingOf(length) <= this.cost.fixedTokens &&
      shape.rows * shape.length <= this.maxTokens &&
      (this.cost.predict(shape) ?? 0) <= this.slackMs
    );
  }

  /** Padding that one more input of a length brings. */
  private paddingOf(length: number): number {
    return length > this.longest ? (length - this.longest) * this.inputs.length : this.longest - length;
  }
}
