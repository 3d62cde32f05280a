/** Texts that end a sequence. */
export class StopStrings {
  /** New tokens in which a stop string may end: each stands for a byte at least. */
  private readonly window: number;

  constructor(
    private readonly strings: readonly string[],
    private readonly decode: (ids: readonly number[]) => string,
  ) {
    this.window = Math.max(0, ...strings.map((text) => Buffer.byteLength(text))) + 1;
  }

  /** Whether the tokens behind the first `start` hold a stop string near their end. */
  isReached(ids: readonly number[], start: number): boolean {
    if (this.strings.length === 0) return false;
    const text = this.decode(ids.slice(Math.max(start, ids.length - this.window)));
    return this.strings.some((stop) => text.includes(stop));
  }
}
