/** Bounds how many pictures are in memory at once, by their number and their pixels. */

interface Waiting {
  readonly pixels: number;
  readonly start: () => void;
}

/** Work waits here, first come first served, until there is room for it. */
export class PixelBudget {
  private readonly queue: Waiting[] = [];
  private running = 0;
  private pixelsInUse = 0;

  constructor(
    private readonly maxRunning: number,
    private readonly maxPixels: number,
  ) {}

  /** Runs `work`, which holds a picture of so many pixels; one larger than the whole budget runs alone. */
  async run<T>(pixels: number, work: () => Promise<T>): Promise<T> {
    if (this.queue.length > 0 || !this.hasRoom(pixels)) {
      await new Promise<void>((start) => this.queue.push({ pixels, start }));
    } else this.take(pixels);
    try {
      return await work();
    } finally {
      this.running--;
      this.pixelsInUse -= pixels;
      this.startWaiting();
    }
  }

  private hasRoom(pixels: number): boolean {
    if (this.running === 0) return true;
    return this.running < this.maxRunning && this.pixelsInUse + pixels <= this.maxPixels;
  }

  private take(pixels: number): void {
    this.running++;
    this.pixelsInUse += pixels;
  }

  private startWaiting(): void {
    while (this.queue.length > 0 && this.hasRoom(this.queue[0]!.pixels)) {
      const { pixels, start } = this.queue.shift()!;
      this.take(pixels);
      start();
    }
  }
}
