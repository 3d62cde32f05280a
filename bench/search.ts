/**
 * Search over 100,000 vectors of 512: recall of the ten nearest against exact search, and time of a query.
 * node --import tsx bench/search.ts [vectors]
 */

import { VectorSearch } from "../src/retrieval/vector-search.ts";
import { Random } from "../src/tensor/random.ts";

const [count, width, queryCount, groups] = [Number(process.argv[2] ?? 100_000), 512, 50, 500];
const random = new Random(1);

/** Vectors of length 1: noise, or noise around one of some centres as pictures of like things are. */
function vectorsOf(rows: number, centres?: Float32Array): Float32Array {
  const vectors = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const vector = vectors.subarray(row * width, (row + 1) * width);
    const centre = Math.floor(random.uniform() * groups) * width;
    for (let at = 0; at < width; at++) vector[at] = random.normal() + (centres ? centres[centre + at]! : 0);
    const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    for (let at = 0; at < width; at++) vector[at]! /= length;
  }
  return vectors;
}

function measure(name: string, centres?: Float32Array): void {
  const vectors = vectorsOf(count, centres);
  const queries = vectorsOf(queryCount, centres);
  const startMs = performance.now();
  const search = new VectorSearch(vectors, width);
  const readyMs = performance.now() - startMs;
  const exact = new VectorSearch(vectors, width, Number.POSITIVE_INFINITY);
  let common = 0;
  const times: number[] = [];
  let processorUs = 0;
  for (let at = 0; at < queryCount; at++) {
    const query = queries.slice(at * width, (at + 1) * width);
    const wanted = new Set(exact.search(query, 10).map((found) => found.at));
    const [before, used] = [performance.now(), process.cpuUsage()];
    const found = search.search(query, 10);
    times.push(performance.now() - before);
    const { user, system } = process.cpuUsage(used);
    processorUs += user + system;
    common += found.filter((one) => wanted.has(one.at)).length;
  }
  times.sort((a, b) => a - b);
  const processorMs = (processorUs / queryCount / 1000).toFixed(1);
  const [median, slow] = [0.5, 0.95].map((share) => times[Math.floor(share * queryCount)]!.toFixed(1));
  console.log(
    `${name}: recall@10 ${(common / (10 * queryCount)).toFixed(3)}, ${median} ms a query (95 %: ${slow}; processor ${processorMs} ms), ready in ${Math.round(readyMs)} ms`,
  );
}

measure("noise");
measure(
  "in groups",
  Float32Array.from({ length: groups * width }, () => random.normal()),
);
