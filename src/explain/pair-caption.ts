/** Which regions of a picture a captioner attends to for each word that it writes. */

import { captionStart } from "../tasks/caption-data.ts";
import { rowAt, softmax } from "../tasks/scores.ts";
import { crossAttention } from "./cross-attention.ts";
import type { PairWord } from "./pair-explain.ts";
import { type PairReading, seenPicture, textOutputs } from "./pair-reading.ts";
import { type RegionMaps, regionMaps } from "./region-maps.ts";
import { textWords } from "./tokens.ts";

export interface ExplainedCaption {
  readonly words: readonly PairWord[];
  readonly regions: RegionMaps;
}

/** A token is written by the position before it: its probability and what is attended to are read there. */
export async function explainCaption(reading: PairReading): Promise<ExplainedCaption> {
  const { runner, halves, tokenized, picture } = reading;
  const ids = [captionStart(runner.config), ...tokenized.encoding.ids.slice(1)];
  const shared = await seenPicture(reading);
  const { logits } = await textOutputs(reading, [ids], shared, ["logits"]);
  const written = ids.slice(1).map((id, at) => ({ point: [at, id], tokens: [at] }));
  const looks = await crossAttention({ runner, model: halves.text, scored: "logits", ids, shared }, written);
  const probabilityOf = (token: number): number => softmax(rowAt(logits!, token - 1))[ids[token]!]!;
  const looksOf = (tokens: readonly number[]) => tokens.map((token) => looks[token - 1]!);
  const words = textWords(tokenized);
  return {
    words: words.map((word) => ({
      ...word,
      probability: word.tokens.reduce((product, token) => product * probabilityOf(token), 1),
      regions: regionMaps(looksOf(word.tokens), picture),
    })),
    regions: regionMaps(looksOf(words.flatMap(({ tokens }) => tokens)), picture),
  };
}
