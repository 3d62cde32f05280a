/**
 * The vectors nearest to one, by usearch's exhaustive search, which compares about 50 million int8 numbers in a
 * millisecond. Up to 50,000 vectors are compared as they are. More are compared as int8, and the best hundred again as
 * they are: unlike a graph of neighbours this needs no time to build and finds as much whatever the vectors are like.
 * N vectors of P features.
 */

import { exactSearch, type Matches, MetricKind } from "usearch";
import { topIndices } from "../tasks/scores.ts";

export interface Neighbour {
  /** Which vector, from 0. */
  readonly at: number;
  /** The inner product, for vectors of length 1 their cosine. */
  readonly score: number;
}

/** Vectors compared as they are at most. */
export const exactUpTo = 50_000;

/** Least number of candidates that int8 gives, and how many for each that is wanted. */
const [leastCandidates, candidatesEach] = [100, 4];

export class VectorSearch {
  private readonly compact: CompactVectors | undefined;
  private readonly count: number;

  /** `vectors` [N, P] must start their buffer, from which usearch reads. */
  constructor(
    private readonly vectors: Float32Array,
    private readonly width: number,
    limit = exactUpTo,
  ) {
    this.count = width === 0 ? 0 : vectors.length / width;
    this.compact = this.count > limit ? new CompactVectors(vectors, width) : undefined;
  }

  /** The `count` nearest to a query [P] at most, nearest first. */
  search(query: Float32Array, count: number): Neighbour[] {
    const wanted = Math.min(count, this.count);
    if (wanted === 0) return [];
    const candidates = this.compact
      ? this.compact.nearest(query, Math.min(this.count, Math.max(leastCandidates, wanted * candidatesEach)))
      : nearest(this.vectors, query.slice(), this.width, wanted);
    const scores = candidates.map((at) => this.score(query, at));
    return topIndices(scores, wanted).map((place) => ({ at: candidates[place]!, score: scores[place]! }));
  }

  private score(query: Float32Array, at: number): number {
    let sum = 0;
    for (let i = 0; i < this.width; i++) sum += query[i]! * this.vectors[at * this.width + i]!;
    return sum;
  }
}

type Numbers = Float32Array | Int8Array;

function nearest(vectors: Numbers, query: Numbers, width: number, count: number): number[] {
  const { keys } = exactSearch(vectors, query, width, count, MetricKind.IP, 1) as Matches;
  return Array.from(keys, Number);
}

/**
 * Vectors as int8. Each feature has its mean taken off, which changes no order of inner products, and a scale of its own,
 * which is put into the query: features of a CLIP differ in size by a factor of ten and more.
 */
class CompactVectors {
  private readonly codes: Int8Array;
  private readonly scales: Float32Array; // of each feature

  constructor(
    vectors: Float32Array,
    private readonly width: number,
  ) {
    const count = vectors.length / width;
    const means = new Float64Array(width);
    for (let i = 0; i < vectors.length; i++) means[i % width]! += vectors[i]! / count;
    this.scales = new Float32Array(width).fill(1e-12);
    for (let i = 0; i < vectors.length; i++)
      this.scales[i % width] = Math.max(this.scales[i % width]!, Math.abs(vectors[i]! - means[i % width]!));
    this.codes = new Int8Array(vectors.length);
    for (let i = 0; i < vectors.length; i++)
      this.codes[i] = Math.round((127 * (vectors[i]! - means[i % width]!)) / this.scales[i % width]!);
  }

  nearest(query: Float32Array, count: number): number[] {
    const scaled = query.map((value, i) => value * this.scales[i]!);
    const most = scaled.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-12);
    const codes = Int8Array.from(scaled, (value) => Math.round((127 * value) / most));
    return nearest(this.codes, codes, this.width, count);
  }
}
