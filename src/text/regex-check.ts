/** A guard against regular expressions whose matching time is exponential in the text. */

/** True where a group with an unbounded repetition inside is itself repeated without bound, as in `(a+)*`. */
export function nestsQuantifiers(source: string): boolean {
  const hasRepetition = [false]; // per open group
  for (let i = 0; i < source.length; i++) {
    const char = source[i]!;
    if (char === "\\") i++;
    else if (char === "[") i = endOfClass(source, i);
    else if (char === "(") hasRepetition.push(false);
    else if (char === ")") {
      const inner = hasRepetition.pop() ?? false;
      const isRepeated = unbounded.test(source.slice(i + 1, i + 12));
      if (inner && isRepeated) return true;
      if (hasRepetition.length === 0) hasRepetition.push(false);
      if (inner) hasRepetition[hasRepetition.length - 1] = true;
    } else if (unbounded.test(source.slice(i, i + 12))) hasRepetition[hasRepetition.length - 1] = true;
  }
  return false;
}

const unbounded = /^(?:[*+]|\{\d+,(?:\d{2,})?\})/;

function endOfClass(source: string, start: number): number {
  let i = start + 1;
  while (i < source.length && source[i] !== "]") i += source[i] === "\\" ? 2 : 1;
  return i;
}
