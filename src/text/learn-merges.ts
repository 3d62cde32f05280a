/**
 * Byte-pair encoding: the most frequent pair of neighbouring symbols is joined, again and again.
 * Sennrich et al. 2016, https://arxiv.org/abs/1508.07909
 * Every place where a pair stands is known, so that a merge costs as much as the pair has places.
 */

import { MergeQueue } from "./merge-queue.ts";
import { grown, PairTable } from "./pair-table.ts";

/** A word as symbols, and how often it occurs. */
export interface CountedWord {
  symbols: readonly number[]; // indices into the tokens
  count: number;
}

export interface MergeOptions {
  /** Tokens to stop at. */
  vocabSize: number;
  /** A pair that occurs less often is not joined. */
  minFrequency: number;
  /** How the token of two joined ones is written. */
  join: (left: string, right: string) => string;
}

export interface LearnedMerges {
  /** The given tokens, then one for each merge that made a new one. */
  tokens: string[];
  merges: [left: string, right: string][];
}

/** Learns merges of the symbols `alphabet`. Pairs of one count are joined in the order of their symbols. */
export function learnMerges(
  alphabet: readonly string[],
  words: readonly CountedWord[],
  { vocabSize, minFrequency, join }: MergeOptions,
): LearnedMerges {
  const tokens = [...alphabet];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: [string, string][] = [];
  const places = new PairPlaces(words);
  while (tokens.length < vocabSize) {
    const pair = places.mostFrequent(minFrequency);
    if (!pair) break;
    const [left, right] = [tokens[pair.left]!, tokens[pair.right]!];
    const joined = join(left, right);
    let id = ids.get(joined); // another pair may have made it
    if (id === undefined) {
      id = tokens.push(joined) - 1;
      ids.set(joined, id);
    }
    merges.push([left, right]);
    places.merge(pair.index, id);
  }
  return { tokens, merges };
}

interface Pair {
  index: number;
  left: number;
  right: number;
}

const none = -1;

/**
 * All words as one row of places. A place that holds a symbol with a right neighbour is the first of one pair, and
 * the places of a pair form a doubly linked list.
 */
class PairPlaces {
  private readonly symbols: Int32Array;
  private readonly before: Int32Array; // the place to the left in the word
  private readonly after: Int32Array; // the place to the right in the word
  private readonly weights: Float64Array; // how often the word occurs
  private readonly pairs: Int32Array; // the pair that begins here
  private readonly nextSame: Int32Array; // the list of the pair's places
  private readonly previousSame: Int32Array;
  private readonly table = new PairTable();
  private readonly queue = new MergeQueue(this.table);
  private counts = new Float64Array(1 << 15); // by pair
  private firsts = new Int32Array(1 << 15); // by pair: its first place
  private readonly risen = new Set<number>(); // pairs whose count rose

  constructor(words: readonly CountedWord[]) {
    const size = words.reduce((sum, { symbols }) => sum + symbols.length, 0);
    const places = () => new Int32Array(size).fill(none);
    [this.symbols, this.before, this.after] = [places(), places(), places()];
    [this.pairs, this.nextSame, this.previousSame] = [places(), places(), places()];
    this.weights = new Float64Array(size);
    let at = 0;
    for (const { symbols, count } of words) {
      for (let i = 0; i < symbols.length; i++, at++) {
        this.symbols[at] = symbols[i]!;
        this.weights[at] = count;
        if (i > 0) this.before[at] = at - 1;
        if (i < symbols.length - 1) this.after[at] = at + 1;
      }
    }
    for (let place = size - 1; place >= 0; place--) if (this.after[place] !== none) this.link(place);
    this.queueRisen();
  }

  /** `undefined` where no pair occurs at least `minFrequency` times. */
  mostFrequent(minFrequency: number): Pair | undefined {
    const index = this.queue.pop((pair) => this.counts[pair]!);
    if (index === undefined || this.counts[index]! < minFrequency) return undefined;
    return { index, left: this.table.left(index), right: this.table.right(index) };
  }

  /** Puts `symbol` in place of the pair, from left to right. */
  merge(pair: number, symbol: number): void {
    for (const place of this.placesOf(pair)) {
      if (this.pairs[place] !== pair) continue; // the second of three equal symbols
      const second = this.after[place]!;
      const left = this.before[place]!;
      const right = this.after[second]!;
      this.unlink(place);
      if (left !== none) this.unlink(left);
      if (right !== none) this.unlink(second);
      this.symbols[place] = symbol;
      this.after[place] = right;
      if (left !== none) this.link(left);
      if (right !== none) {
        this.before[right] = place;
        this.link(place);
      }
    }
    this.queueRisen();
  }

  private placesOf(pair: number): number[] {
    const places: number[] = [];
    for (let place = this.firsts[pair]!; place !== none; place = this.nextSame[place]!) places.push(place);
    return places.sort((a, b) => a - b);
  }

  /** Enters the pair that begins at `place`. */
  private link(place: number): void {
    const pair = this.table.indexOf(this.symbols[place]!, this.symbols[this.after[place]!]!);
    while (pair >= this.counts.length) {
      this.counts = grown(this.counts);
      this.firsts = grown(this.firsts);
    }
    const first = this.counts[pair] === 0 ? none : this.firsts[pair]!;
    this.pairs[place] = pair;
    this.nextSame[place] = first;
    this.previousSame[place] = none;
    if (first !== none) this.previousSame[first] = place;
    this.firsts[pair] = place;
    this.counts[pair]! += this.weights[place]!;
    this.risen.add(pair);
  }

  /** Takes out the pair that begins at `place`. */
  private unlink(place: number): void {
    const pair = this.pairs[place]!;
    const next = this.nextSame[place]!;
    const previous = this.previousSame[place]!;
    if (next !== none) this.previousSame[next] = previous;
    if (previous !== none) this.nextSame[previous] = next;
    else this.firsts[pair] = next;
    this.counts[pair]! -= this.weights[place]!;
    this.pairs[place] = none;
  }

  private queueRisen(): void {
    for (const pair of this.risen) this.queue.push(pair, this.counts[pair]!);
    this.risen.clear();
  }
}
