/** What makes a text match a picture: the part of each word in the score, and the regions that count. T tokens. */

import { sigmoid } from "../tasks/scores.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Gradients, gradientsOf, rowsOf } from "./attribution.ts";
import { crossAttention } from "./cross-attention.ts";
import { type PixelGradients, pixelGradients } from "./image-attribution.ts";
import type { ImageMap } from "./image-maps.ts";
import type { PairWord } from "./pair-explain.ts";
import { idsTensor, type PairReading, seenPicture, textOutputs } from "./pair-reading.ts";
import { patchSums, type RegionMaps, regionMaps } from "./region-maps.ts";
import type { Target } from "./target.ts";
import { textWords } from "./tokens.ts";

export interface MatchScore {
  /** Log odds that text and picture match (BLIP), or their logit (CLIP). */
  readonly score: number;
  /** BLIP: that they match. */
  readonly probability?: number;
  /** Integrated gradients of the tokens, from a text with `baselineToken` for every word. */
  readonly tokens: Pick<Gradients, "integratedGradients" | "baselineScore" | "completenessError">;
  readonly baselineToken: string;
  /** CLIP: those of the pixels, from a plain picture. */
  readonly pixels?: PixelGradients;
  /** CLIP: the same, added up over each patch. */
  readonly patches?: ImageMap;
}

export interface ExplainedMatch {
  readonly words: readonly PairWord[];
  readonly regions?: RegionMaps;
  readonly match: MatchScore;
}

export async function explainMatch(reading: PairReading): Promise<ExplainedMatch> {
  const shared = await seenPicture(reading);
  const { score, baselineToken, ...tokens } = await tokenGradients(reading, shared);
  const words = textWords(reading.tokenized).map((word) => ({
    ...word,
    contribution: word.tokens.reduce((sum, at) => sum + tokens.integratedGradients[at]!, 0),
  }));
  const match = { score, tokens, baselineToken };
  return reading.halves.picture
    ? { words, match: { ...match, ...(await pictureGradients(reading)) } }
    : { ...(await lookedAt(reading, shared, words)), match: { ...match, probability: sigmoid(score) } };
}

/** The score itself: the one element of the output that holds it. */
const target: Target = { label: "match", positions: [], points: { score: [0] } };

async function tokenGradients(reading: PairReading, shared: Readonly<Record<string, Tensor>>) {
  const { runner, halves, tokenizer, tokenized, steps } = reading;
  const { ids, specialTokensMask } = tokenized.encoding;
  const baselineId = tokenizer.maskId ?? tokenizer.padId;
  const baselineIds = ids.map((id, at) => (specialTokensMask[at] === 1 ? id : baselineId));
  const model = halves.text;
  const rows = await textOutputs(reading, [ids, baselineIds], shared, [model.embeddings]);
  const [embedded, baseline] = rowsOf(rows[model.embeddings]!) as [Tensor, Tensor];
  const feeds = { input_ids: idsTensor([ids]) };
  const { integratedGradients, score, baselineScore, completenessError } = await gradientsOf({
    runner,
    model,
    feeds,
    shared,
    embedded,
    baseline,
    target,
    steps,
  });
  const baselineToken = tokenizer.idToToken(baselineId) ?? String(baselineId);
  return { score, baselineToken, integratedGradients, baselineScore, completenessError };
}

/** Of a CLIP, whose text is a vector here. */
async function pictureGradients(
  reading: PairReading,
): Promise<Pick<Required<MatchScore>, "pixels" | "patches">> {
  const { runner, halves, picture, pixels: values, plainPixels, steps, tokenized } = reading;
  const shared = await textOutputs(reading, [tokenized.encoding.ids], {}, ["read"]);
  const pixels = await pixelGradients({
    runner,
    model: halves.picture!,
    picture: values,
    baseline: plainPixels,
    shared,
    label: 0,
    steps,
  });
  return { pixels, patches: patchSums(pixels.integratedGradients, halves.pictureTokens, picture) };
}

/** Of a BLIP, whose words look at the picture. */
async function lookedAt(
  { runner, halves, tokenized, picture }: PairReading,
  shared: Readonly<Record<string, Tensor>>,
  words: readonly PairWord[],
): Promise<Pick<Required<ExplainedMatch>, "words" | "regions">> {
  const { ids } = tokenized.encoding;
  const asked = [{ point: [0], tokens: ids.map((_, at) => at) }];
  const looks = await crossAttention({ runner, model: halves.text, scored: "score", ids, shared }, asked);
  const regionsOf = (tokens: readonly number[]): RegionMaps =>
    regionMaps(
      tokens.map((at) => looks[at]!),
      picture,
    );
  return {
    words: words.map((word) => ({ ...word, regions: regionsOf(word.tokens) })),
    regions: regionsOf(words.flatMap(({ tokens }) => tokens)),
  };
}
