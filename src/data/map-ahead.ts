/** Asynchronous work that runs ahead of its reader. */

/** Results in the order of the items; at most `ahead` of them are under way or wait to be read. */
export async function* mapAhead<Item, Result>(
  items: Iterable<Item>,
  work: (item: Item) => Promise<Result>,
  ahead: number,
): AsyncGenerator<Result> {
  const pending: Promise<Result>[] = [];
  for (const item of items) {
    const result = work(item);
    result.catch(() => {}); // thrown to the reader when it gets there
    pending.push(result);
    if (pending.length >= ahead) yield await pending.shift()!;
  }
  while (pending.length > 0) yield await pending.shift()!;
}
