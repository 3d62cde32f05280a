/** Progress of long work on standard error: a bar with rate and time left on a terminal, plain lines elsewhere. */

import { showCount, showDuration } from "./format.ts";
import type { Output } from "./output.ts";

const barWidth = 24;
/** Pause between two drawings on a terminal, and between two lines elsewhere. */
const [drawEveryMs, lineEveryMs] = [100, 10_000];

export class Progress {
  private done = 0;
  private note = "";
  private lastShownMs = Number.NEGATIVE_INFINITY;
  private isDrawn = false;
  private readonly startMs: number;

  /** `initial` of `total` units are done before the clock starts. */
  constructor(
    private readonly output: Output,
    private readonly label: string,
    private readonly total: number,
    private readonly unit: string,
    private readonly initial = 0,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.startMs = now();
    this.done = initial;
  }

  /** Says that `done` units are done; `note` is shown at the end of the line. */
  update(done: number, note = ""): void {
    [this.done, this.note] = [done, note];
    const pauseMs = this.isTerminal ? drawEveryMs : lineEveryMs;
    if (this.now() - this.lastShownMs >= pauseMs || done === this.total) this.show();
  }

  /** Writes a line above the bar. */
  say(text: string): void {
    this.clear();
    this.output.note(text);
    if (this.isTerminal && this.isDrawn) this.show();
  }

  /** Leaves the last state as a line of its own. */
  finish(): void {
    if (this.isTerminal && this.isDrawn && !this.output.isQuiet) this.output.stderr.write("\n");
    this.isDrawn = false;
  }

  private get isTerminal(): boolean {
    return this.output.stderr.isTTY === true;
  }

  private show(): void {
    this.lastShownMs = this.now();
    if (this.output.isQuiet) return;
    if (!this.isTerminal) {
      this.output.note(this.text());
      return;
    }
    const width = (this.output.stderr.columns ?? 80) - 1;
    this.clear();
    this.output.stderr.write(this.text(this.bar()).slice(0, width));
    this.isDrawn = true;
  }

  private clear(): void {
    if (this.isTerminal && this.isDrawn) this.output.stderr.write("\r\u001b[K");
  }

  private bar(): string {
    const filled = Math.round((this.done / Math.max(1, this.total)) * barWidth);
    return `${"█".repeat(filled)}${"░".repeat(barWidth - filled)} `;
  }

  private text(bar = ""): string {
    const share = `${Math.floor((100 * this.done) / Math.max(1, this.total))} %`;
    const count = `${showCount(this.done)}/${showCount(this.total)} ${this.unit}`;
    const seconds = (this.now() - this.startMs) / 1000;
    const rate = (this.done - this.initial) / Math.max(seconds, 1e-9);
    const pace = rate > 0 && seconds > 0 ? `${showRate(rate)} ${this.unit}/s` : "";
    const left =
      pace && this.done < this.total ? `${showDuration((1000 * (this.total - this.done)) / rate)} left` : "";
    return [`${this.label} ${bar}${share}`, count, pace, left, this.note]
      .filter((part) => part !== "")
      .join("  ");
  }
}

const showRate = (rate: number): string => (rate >= 10 ? showCount(Math.round(rate)) : rate.toFixed(2));
