/** How many tokens of each text are kept, and the windows over a text that is too long. */

import { RequestError } from "../errors.ts";

/** `longest_first` shortens the longer text first; `only_first` and `only_second` leave the other text whole. */
export type Truncation = "longest_first" | "only_first" | "only_second";

/**
 * The kept length of each text so that together they fit in `room` tokens.
 * @throws RequestError when the text that may not be shortened leaves no room.
 */
export function fitLengths(lengths: readonly number[], room: number, truncation: Truncation): number[] {
  const [first = 0, second = 0] = lengths;
  if (first + second <= room) return [...lengths];
  if (truncation === "longest_first") return longestFirst(first, second, room).slice(0, lengths.length);
  const other = truncation === "only_first" ? second : first;
  if (truncation === "only_second" && lengths.length === 1) {
    throw new RequestError("truncation: only_second needs a pair, got one text; use only_first");
  }
  if (other >= room) {
    throw new RequestError(
      `truncation: ${truncation} must leave the other text whole, but that has ${other} tokens of ${room}; raise maxLength`,
    );
  }
  return truncation === "only_first"
    ? [room - second, second].slice(0, lengths.length)
    : [first, room - first];
}

/** As the Rust tokenizers: the shorter text is kept whole if it fits in half of the room. */
function longestFirst(first: number, second: number, room: number): number[] {
  const shorter = Math.min(first, second);
  const keptOfShorter = Math.min(shorter, Math.floor(room / 2));
  const keptOfLonger = room - keptOfShorter;
  return first > second ? [keptOfLonger, keptOfShorter] : [keptOfShorter, keptOfLonger];
}

/** Spans [start, end) of at most `size` that cover `length`, each sharing `stride` with the one before. */
export function windowsOver(length: number, size: number, stride: number): [start: number, end: number][] {
  const windows: [number, number][] = [];
  let start = 0;
  do {
    windows.push([start, Math.min(length, start + size)]);
    start += size - stride;
  } while (windows.at(-1)![1] < length);
  return windows;
}
