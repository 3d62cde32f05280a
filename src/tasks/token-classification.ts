/** A label for every word: training on the first piece of each, and entities of a text with their places in it. */

import { z } from "zod";
import type { TaggingExample } from "../data/examples.ts";
import { labelsOf } from "../data/labels.ts";
import { bestPath, type Chain, chainOf } from "../models/crf-decoding.ts";
import { ignoredLabel } from "../nn/losses.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Encoding } from "../text/encoding.ts";
import { entityScores } from "../train/metrics/entities.ts";
import type { Evaluator } from "../train/task.ts";
import { CountingEncoder, type DataRecipe, encodedDataset, plain } from "./dataset.ts";
import {
  type AggregationStrategy,
  groupEntities,
  type LabelledTokens,
  labelChain,
  labelTokens,
  labelWords,
  type ScoredToken,
  strategies,
} from "./entity-groups.ts";
import { labelFields, readLabels } from "./labels.ts";
import type { AnswerTask, TaskModel } from "./predictor.ts";
import { argmax, rowAt, softmax } from "./scores.ts";

export const taggingData: DataRecipe<TaggingExample> = {
  name: "token-classification",
  defaultLength: 128,
  configOf: (examples) => labelFields(labelsOf(examples)),
  bestMetric: () => "f1",
  datasetOf(examples, config, setup) {
    const { id2label } = readLabels(config, "token-classification");
    const encoder = new CountingEncoder(setup);
    const encodings = examples.map(({ tokens }) => encoder.encodeWords(tokens));
    const firsts = encodings.map(firstPieces);
    const labels = firsts.map((pieces, at) => labelsAt(pieces, examples[at]!.tags, id2label));
    return encodedDataset(encodings.map(plain), {
      padId: setup.tokenizer.padId,
      truncated: encoder.truncated,
      labels: (indices, { input_ids }) => ({ labels: labelTensor(indices, labels, input_ids.shape) }),
      evaluator: () => new TagEvaluator(examples, firsts, id2label),
    });
  },
};

/** For each position the word whose first piece it is, else `undefined`. */
const firstPieces = ({ wordIds }: Encoding): (number | undefined)[] =>
  wordIds.map((word, at) => (word !== null && word !== wordIds[at - 1] ? word : undefined));

/** A tag that the model does not know is not trained on; evaluation counts it as missed. */
const labelsAt = (
  firsts: readonly (number | undefined)[],
  tags: readonly string[],
  names: readonly string[],
): number[] =>
  firsts.map((word) => {
    const label = word === undefined ? -1 : names.indexOf(tags[word]!);
    return label < 0 ? ignoredLabel : label;
  });

/** int64 [B, T], −100 at padding. */
export function labelTensor(
  indices: readonly number[],
  labels: readonly (readonly number[])[],
  shape: readonly number[],
): Tensor {
  const data = new BigInt64Array(shape[0]! * shape[1]!).fill(BigInt(ignoredLabel));
  for (const [row, at] of indices.entries()) {
    for (const [column, label] of labels[at]!.entries()) data[row * shape[1]! + column] = BigInt(label);
  }
  return new Tensor("int64", shape, data);
}

/** Entity scores over whole sentences; words cut off by truncation count as `O`. */
class TagEvaluator implements Evaluator {
  private readonly predicted: string[][] = [];
  private readonly actual: string[][] = [];

  constructor(
    private readonly examples: readonly TaggingExample[],
    private readonly firsts: readonly (readonly (number | undefined)[])[],
    private readonly names: readonly string[],
  ) {}

  add({ logits, chain }: Readonly<Record<string, Tensor>>, indices: readonly number[]): void {
    const length = logits!.shape[1]!;
    for (const [row, at] of indices.entries()) {
      const { tags } = this.examples[at]!;
      const predicted = tags.map(() => "O");
      const firsts = [...this.firsts[at]!.entries()].filter(([, word]) => word !== undefined);
      const scores = firsts.map(([column]) => rowAt(logits!, row * length + column));
      const labels = chain ? bestPath(scores, chainOf(chain)).tags : scores.map(argmax);
      for (const [order, [, word]] of firsts.entries()) predicted[word!] = this.names[labels[order]!]!;
      this.predicted.push(predicted);
      this.actual.push(tags);
    }
  }

  result(): Record<string, number> {
    const [predicted, actual] = [this.predicted.flat(), this.actual.flat()];
    const right = predicted.filter((tag, at) => tag === actual[at]).length;
    return { ...entityScores(this.predicted, this.actual), accuracy: right / actual.length };
  }
}

/** A token under one label (strategy `none`); a word, under a CRF. */
export interface TokenEntity {
  readonly entity: string;
  /** Probability of the label; under a CRF given the whole text. */
  readonly score: number;
  /** Position of the token in the model's input, from 0. */
  readonly index: number;
  readonly word: string;
  /** Span [start, end) of the text as it was given, in JavaScript string indices. */
  readonly start: number;
  readonly end: number;
}

/** An entity of one or more words. */
export interface GroupedEntity {
  readonly entity_group: string;
  readonly score: number;
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

const input = z.union([z.string().transform((text) => ({ text })), z.strictObject({ text: z.string() })]);

const options = z.strictObject({
  /** How tokens become entities. A CRF labels words, so that all but none join words alike. Default none. */
  aggregation_strategy: z.enum(strategies).default("none"),
  /** Labels that are left out. Default O. */
  ignore_labels: z.array(z.string()).default(["O"]),
});

export const taggingAnswers: AnswerTask<
  { text: string },
  z.infer<typeof options>,
  (TokenEntity | GroupedEntity)[]
> = {
  outputs: () => [["logits", "chain"], ["logits"]],
  input,
  options,
  async answer(model, { text }, { aggregation_strategy: strategy, ignore_labels }) {
    const scored = await scoreTokens(model, text);
    const labelOf = (label: number): string => model.id2label[label] ?? `LABEL_${label}`;
    // An unknown word is written as it stands in the text.
    const wordOf = ({ ids, start, end }: Pick<LabelledTokens, "ids" | "start" | "end">): string =>
      ids.includes(model.tokenizer.unkId ?? -1) ? text.slice(start, end) : model.tokenizer.decode(ids);
    if (strategy === "none") {
      const entities = labelledParts(scored, strategy).map((part): TokenEntity => {
        const { index, start, end, score } = part;
        return { entity: labelOf(part.label), score, index, word: wordOf(part), start, end };
      });
      return entities.filter(({ entity }) => !ignore_labels.includes(entity));
    }
    const groups = groupEntities(labelledParts(scored, strategy), labelOf).map((group): GroupedEntity => {
      const { type, start, end, score } = group;
      return { entity_group: type, score, word: wordOf(group), start, end };
    });
    return groups.filter(({ entity_group }) => !ignore_labels.includes(entity_group));
  },
};

/** A text's tokens with their logits, and the chain they are in where the model has a CRF. */
interface ScoredText {
  readonly tokens: readonly ScoredToken[];
  readonly chain: Chain | undefined;
}

function labelledParts({ tokens, chain }: ScoredText, strategy: AggregationStrategy): LabelledTokens[] {
  if (chain) return labelChain(tokens, chain);
  const likely = tokens.map((token) => ({ ...token, scores: softmax(token.scores) }));
  return strategy === "none" || strategy === "simple" ? labelTokens(likely) : labelWords(likely, strategy);
}

/** Every token of a text of any length; where windows overlap, the one that shows more of the surroundings counts. */
async function scoreTokens(model: TaskModel, text: string): Promise<ScoredText> {
  const { tokenizer, maxLength } = model;
  const stride = Math.floor(maxLength / 4);
  const windows = tokenizer.encodeWindows(text, undefined, { maxLength, stride });
  const outputs = await Promise.all(windows.map((window) => model.run(window)));
  const tokens: ScoredToken[] = [];
  for (const [at, window] of windows.entries()) {
    const scored = tokensOf(window, outputs[at]![0]!, tokens.length - (at > 0 ? stride : 0));
    // The first half of the overlap is nearer to the end of the window before, so that one keeps it.
    tokens.splice(tokens.length - (at > 0 ? Math.ceil(stride / 2) : 0));
    tokens.push(...scored.slice(at > 0 ? Math.floor(stride / 2) : 0));
  }
  const chain = outputs[0]?.[1];
  return { tokens, chain: chain && chainOf(chain) };
}

/** The text's tokens in a window that starts at token `first`. */
function tokensOf({ ids, offsets, wordIds }: Encoding, logits: Tensor, first: number): ScoredToken[] {
  const tokens: ScoredToken[] = [];
  for (const [at, id] of ids.entries()) {
    const [span, wordId] = [offsets[at], wordIds[at]];
    if (!span || wordId === null) continue;
    const [start, end] = span;
    const index = first + tokens.length + 1;
    tokens.push({ id, index, wordId: wordId!, start, end, scores: rowAt(logits, at) });
  }
  return tokens;
}
