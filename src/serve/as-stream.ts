/** Work that pushes items, as a generator that gives them. */

import { TokenQueue } from "../generation/token-queue.ts";

/**
 * Items as `work` pushes them, and at the end its result. The signal given to `work` aborts when `caller` does and when the
 * loop is left early.
 * @throws what `work` throws, after the last item.
 */
export async function* asStream<Item, Result>(
  caller: AbortSignal | undefined,
  work: (push: (item: Item) => void, signal: AbortSignal) => Promise<Result>,
): AsyncGenerator<Item, Result> {
  const items = new TokenQueue<Item>();
  const stop = new AbortController();
  const onAbort = (): void => stop.abort();
  caller?.addEventListener("abort", onAbort, { once: true });
  if (caller?.aborted) stop.abort();
  const result = work((item) => items.push(item), stop.signal);
  const ended = result.then(
    () => items.end(),
    () => items.end(),
  );
  try {
    for (;;) {
      const next = await items.take();
      if (next.length === 0) return await result;
      yield* next;
    }
  } finally {
    caller?.removeEventListener("abort", onAbort);
    stop.abort();
    await ended;
  }
}
