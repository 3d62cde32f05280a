/** Seeded damage to files, for tests that demand a typed error or a correct load from every damaged input. */

import type { Random } from "../../src/tensor/random.ts";

export interface Mutation {
  readonly bytes: Uint8Array;
  /** What was done, so that a failing case can be read. */
  readonly description: string;
}

type Mutator = (bytes: Uint8Array, random: Random) => Mutation;

/** One random change to a copy of `bytes`. The same seed gives the same change. */
export function mutate(bytes: Uint8Array, random: Random): Mutation {
  return mutators[random.integer(mutators.length)]!(bytes, random);
}

/** The start `at`, exclusive end `to` replaced by `middle`. */
const splice = (bytes: Uint8Array, at: number, to: number, middle: Uint8Array): Uint8Array =>
  Uint8Array.from([...bytes.subarray(0, at), ...middle, ...bytes.subarray(to)]);

const flipBit: Mutator = (bytes, random) => {
  const at = random.integer(bytes.length);
  const bit = random.integer(8);
  const result = Uint8Array.from(bytes);
  result[at] = result[at]! ^ (1 << bit);
  return { bytes: result, description: `bit ${bit} of byte ${at} flipped` };
};

const truncate: Mutator = (bytes, random) => {
  const length = random.integer(bytes.length);
  return { bytes: bytes.slice(0, length), description: `cut to ${length} bytes` };
};

const insert: Mutator = (bytes, random) => {
  const at = random.integer(bytes.length + 1);
  const added = Uint8Array.from({ length: 1 + random.integer(16) }, () => random.integer(256));
  return { bytes: splice(bytes, at, at, added), description: `${added.length} bytes inserted at ${at}` };
};

const removeRange: Mutator = (bytes, random) => {
  const at = random.integer(bytes.length);
  const to = Math.min(bytes.length, at + 1 + random.integer(32));
  return { bytes: splice(bytes, at, to, new Uint8Array()), description: `bytes ${at} to ${to} removed` };
};

const repeatRange: Mutator = (bytes, random) => {
  const from = random.integer(bytes.length);
  const part = bytes.subarray(from, from + 1 + random.integer(64));
  const at = random.integer(bytes.length + 1);
  return {
    bytes: splice(bytes, at, at, part),
    description: `${part.length} bytes at ${from} repeated at ${at}`,
  };
};

const extremeIntegers = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x7fffffffn,
  0xffffffffn,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Overwrites 1 to 8 bytes with a little-endian integer at the edge of some range. */
const overwriteInteger: Mutator = (bytes, random) => {
  const value = extremeIntegers[random.integer(extremeIntegers.length)]!;
  const at = random.integer(bytes.length);
  const width = Math.min(2 ** random.integer(4), bytes.length - at);
  const result = Uint8Array.from(bytes);
  for (let i = 0; i < width; i++) result[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  return { bytes: result, description: `${width} bytes at ${at} set to ${value}` };
};

const oddNumbers = [
  "0",
  "-1",
  "-0",
  "1.5",
  "1e3",
  "00",
  "",
  "null",
  '"1"',
  "9007199254740993",
  "1".repeat(40),
];

/** Replaces a number written in digits by a neighbour or by something that should not be there. */
const tweakNumber: Mutator = (bytes, random) => {
  const numbers = [
    ...Buffer.from(bytes)
      .toString("latin1")
      .matchAll(/\d{1,15}/g),
  ];
  const chosen = numbers[random.integer(numbers.length)];
  if (!chosen) return flipBit(bytes, random);
  const value = Number(chosen[0]);
  const choices = [...oddNumbers, `${value + 1}`, `${value - 1}`, `${value * 2}`, `${value + 8}`];
  const text = choices[random.integer(choices.length)]!;
  const middle = new TextEncoder().encode(text);
  const end = chosen.index + chosen[0].length;
  return {
    bytes: splice(bytes, chosen.index, end, middle),
    description: `number ${chosen[0]} became ${text}`,
  };
};

/** Exchanges two words or marks of text, such as two JSON keys or a brace and a comma. */
const swapTokens: Mutator = (bytes, random) => {
  const text = Buffer.from(bytes).toString("latin1");
  const tokens = [...text.matchAll(/[A-Za-z_]\w*|[{}[\]:,"]/g)];
  if (tokens.length < 2) return flipBit(bytes, random);
  const first = random.integer(tokens.length - 1);
  const second = first + 1 + random.integer(tokens.length - first - 1);
  const [a, b] = [tokens[first]!, tokens[second]!];
  const between = text.slice(a.index + a[0].length, b.index);
  const swapped = text.slice(0, a.index) + b[0] + between + a[0] + text.slice(b.index + b[0].length);
  return {
    bytes: Uint8Array.from(Buffer.from(swapped, "latin1")),
    description: `${a[0]} and ${b[0]} swapped`,
  };
};

const mutators: readonly Mutator[] = [
  flipBit,
  truncate,
  insert,
  removeRange,
  repeatRange,
  overwriteInteger,
  tweakNumber,
  swapTokens,
];
