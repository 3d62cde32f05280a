/** Bounds how much work is under way at once. */

export class Slots {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  /** The result of `work`, begun when a slot is free, in the order of the calls. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.free === 0) await new Promise<void>((begin) => this.waiting.push(begin));
    else this.free--;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}
