/** Tokens of one prompt as they come. */

import type { Generator, Prompt } from "./generator.ts";
import type { GenerationOptions } from "./options.ts";
import { TokenQueue } from "./token-queue.ts";

/**
 * The new tokens of the first answer, one by one; of beam search all together, when it is done. Leaving the loop early
 * stops the work.
 * @throws as `Generator.generate`.
 */
export async function* streamTokens(
  generator: Generator,
  prompt: Prompt,
  options: GenerationOptions = {},
): AsyncGenerator<number, void> {
  const queue = new TokenQueue<number>();
  const canceller = new AbortController();
  const answers = generator.generate([prompt], options, {
    onToken: ({ answer, id }) => answer === 0 && queue.push(id),
    signal: canceller.signal,
  });
  const ended = answers.then(
    () => queue.end(),
    () => queue.end(),
  );
  let count = 0;
  try {
    for (;;) {
      const ids = await queue.take();
      if (ids.length === 0) break;
      count += ids.length;
      yield* ids;
    }
    const [[best] = []] = await answers;
    yield* best!.ids.slice(count);
  } finally {
    canceller.abort();
    await ended;
  }
}
