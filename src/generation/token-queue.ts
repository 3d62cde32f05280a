/** Items on their way from one who makes them to one who waits for them. */
export class TokenQueue<Item> {
  private items: Item[] = [];
  private hasEnded = false;
  private wake: () => void = () => undefined;

  push(item: Item): void {
    this.items.push(item);
    this.wake();
  }

  /** No more will come. */
  end(): void {
    this.hasEnded = true;
    this.wake();
  }

  /** What has come since the last call, as soon as there is any; nothing at the end. For one caller at a time. */
  async take(): Promise<readonly Item[]> {
    if (this.items.length === 0 && !this.hasEnded) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    const taken = this.items;
    this.items = [];
    return taken;
  }
}
