/**
 * Runs searches together: prompts that wait join the batch between two steps, and rows that are done leave it. A search
 * gets the same answers whatever else is in the batch.
 */

import { RuntimeFailure } from "../errors.ts";
import type { Decoder, NewRow, StepOutputs } from "./decoder.ts";
import type { Generated, NextRow, Search } from "./search.ts";

/** A search with its prompt. */
interface Task {
  readonly row: NewRow;
  readonly search: Search;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (results: readonly Generated[]) => void;
  readonly reject: (error: unknown) => void;
}

/** A task with this many rows in the batch. */
interface ActiveTask {
  readonly task: Task;
  rows: number;
}

/** Rows of a batch; with more of them, a row hardly costs less. */
const maxRows = 64;

/** Memory of the rows' keys and values at their longest; a single search may have more. */
const maxCacheBytes = 2 ** 30;

/** Padded tokens of prompts that are read at once. */
const maxPromptTokens = 2048;

export class Engine {
  private readonly waiting: Task[] = [];
  private active: ActiveTask[] = [];
  /** The token that each row gets next. */
  private tokens: number[] = [];
  private isRunning = false;

  constructor(private readonly decoder: Decoder) {}

  /** The answers to one prompt. @throws RuntimeFailure, code interrupted, when `signal` aborts; what its step throws. */
  run(row: NewRow, search: Search, signal?: AbortSignal): Promise<readonly Generated[]> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ row, search, signal, resolve, reject });
      queueMicrotask(() => void this.start()); // after the prompts that the caller adds right now
    });
  }

  private async start(): Promise<void> {
    if (this.isRunning) return;
    this.isRunning = true;
    while (this.waiting.length + this.active.length > 0) {
      const admitted = this.admitted();
      await this.guard([...admitted, ...this.active.map(({ task }) => task)], async () => {
        if (admitted.length > 0) await this.begin(admitted);
        if (this.active.length > 0) await this.step();
      });
    }
    this.isRunning = false;
  }

  /** What the session throws ends everything that was in the batch. */
  private async guard(tasks: readonly Task[], work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.active = [];
      this.tokens = [];
      this.decoder.arrange([]);
      for (const { reject } of tasks) reject(error);
    }
  }

  /** Takes waiting tasks for which the batch has room; at least one where it is empty. */
  private admitted(): Task[] {
    const taken: Task[] = [];
    const active = this.active.map(({ task }) => task);
    while (this.waiting.length > 0) {
      const candidates = [...taken, this.waiting[0]!];
      const all = [...active, ...candidates];
      const promptTokens = candidates.length * Math.max(...candidates.map(({ row }) => row.ids.length));
      const fits = promptTokens <= maxPromptTokens || candidates.length === 1;
      if (all.length > 1 && !(fits && this.hasRoom(all))) break;
      taken.push(this.waiting.shift()!);
    }
    return taken;
  }

  private hasRoom(tasks: readonly Task[]): boolean {
    const rows = tasks.reduce((sum, { search }) => sum + search.maxRows, 0);
    const longest = Math.max(...tasks.map(({ search }) => search.maxLength));
    return rows <= maxRows && rows * longest * this.decoder.tokenBytes <= maxCacheBytes;
  }

  private async begin(tasks: readonly Task[]): Promise<void> {
    const wanted = new Set(tasks.map(({ search }) => search.wanted));
    const before = this.decoder.count;
    const outputs = await this.decoder.add(
      tasks.map(({ row }) => row),
      wanted,
    );
    const parents = Array.from({ length: before }, (_, row) => row);
    for (const [at, task] of tasks.entries()) {
      const next = advance(task, outputs, at);
      this.follow({ task, rows: next.length }, next, before + at, parents);
    }
    this.decoder.arrange(parents);
  }

  private async step(): Promise<void> {
    const wanted = new Set(this.active.map(({ task }) => task.search.wanted));
    const outputs = await this.decoder.step(this.tokens, wanted);
    const former = this.active;
    this.active = [];
    this.tokens = [];
    const parents: number[] = [];
    let first = 0;
    for (const { task, rows } of former) {
      const next = advance(task, outputs, first);
      this.follow({ task, rows: next.length }, next, first, parents);
      first += rows;
    }
    this.decoder.arrange(parents);
  }

  /** Notes a task's next rows behind those of the tasks before it. */
  private follow(active: ActiveTask, next: readonly NextRow[], first: number, parents: number[]): void {
    if (next.length === 0) return;
    this.active.push(active);
    for (const { parent, token } of next) {
      parents.push(first + parent);
      this.tokens.push(token);
    }
  }
}

/** The next rows of a task; none when it is done or has failed, which its caller is told. */
function advance(
  { search, signal, resolve, reject }: Task,
  outputs: StepOutputs,
  first: number,
): readonly NextRow[] {
  try {
    if (signal?.aborted) throw new RuntimeFailure("generation: was cancelled", { code: "interrupted" });
    const next = search.advance(outputs, first);
    if (next.length === 0) resolve(search.results());
    return next;
  } catch (error) {
    reject(error);
    return [];
  }
}
