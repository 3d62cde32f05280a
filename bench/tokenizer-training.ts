/**
 * Bytes of text per second of training a tokeniser, reading and merging included.
 * Usage: node --import tsx bench/tokenizer-training.ts CORPUS...
 */

import { readCorpus } from "../src/text/corpus.ts";
import { trainTokenizer } from "../src/text/train-tokenizer.ts";

const corpus = process.argv.slice(2);
let sizeBytes = 0;
for await (const text of readCorpus(corpus)) sizeBytes += Buffer.byteLength(text);
console.log(`${(sizeBytes / 1e6).toFixed(2)} MB of text`);

for (const kind of ["wordpiece", "bpe"] as const) {
  for (const vocabSize of [8000, 30_000]) {
    const seconds: number[] = [];
    for (let run = 0; run < 3; run++) {
      const startMs = performance.now();
      await trainTokenizer(corpus, { kind, vocabSize });
      seconds.push((performance.now() - startMs) / 1000);
    }
    const median = seconds.sort((a, b) => a - b)[1]!;
    console.log(
      `${kind} ${vocabSize}: ${median.toFixed(2)} s, ${(sizeBytes / 1e6 / median).toFixed(1)} MB/s`,
    );
  }
}
