/** The tokenizer that training takes where the model's own is not meant. */

import type { DataTask } from "../data/examples.ts";
import { readExamples } from "../data/read-examples.ts";
import { RequestError } from "../errors.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { trainTokenizerOnTexts } from "../text/train-tokenizer.ts";
import { type DataFlags, readOptions } from "./data-options.ts";

export interface TokenizerFlags extends DataFlags {
  /** A folder. */
  readonly tokenizer?: string;
  /** Vocabulary size of a tokenizer to learn from the training text. */
  readonly trainTokenizer?: number;
}

/** Makes the tokenizer for a model of a family (`model_type`). */
export type TokenizerOf = (modelType: string) => Promise<Tokenizer>;

/** Tasks whose data is text alone, in one language or two. */
const textTasks = [
  "masked-lm",
  "bert-pretraining",
  "causal-lm",
  "translation",
] as const satisfies readonly DataTask[];

/** Families whose tokenizer is BERT's; the others get byte-level BPE. */
const wordPieceFamilies = ["bert", "distilbert", "roformer"];

/**
 * What the flags say; undefined where they say nothing.
 * @throws RequestError when both flags are given, or a tokenizer is to be learned from something else than text.
 */
export function tokenizerChoice(
  task: DataTask,
  data: string,
  flags: TokenizerFlags,
): TokenizerOf | undefined {
  const { tokenizer: folder, trainTokenizer: vocabSize } = flags;
  if (vocabSize === undefined) return folder === undefined ? undefined : () => loadTokenizer(folder);
  if (folder !== undefined) throw new RequestError("train: give --tokenizer or --train-tokenizer, not both");
  const textTask = textTasks.find((known) => known === task);
  if (!textTask) {
    throw new RequestError(
      `train: --train-tokenizer is for ${textTasks.join(", ")}; for ${task} use "tesserae tokenizer train"`,
    );
  }
  return async (modelType) => {
    const { examples } = await readExamples(textTask, data, readOptions(flags));
    const texts = examples.flatMap((example) =>
      "sentences" in example ? example.sentences : [example.source, example.target],
    );
    if (wordPieceFamilies.includes(modelType))
      return trainTokenizerOnTexts(texts, { kind: "wordpiece", vocabSize });
    const special = textTask === "translation" ? { specialTokens: translationTokens } : {};
    return trainTokenizerOnTexts(texts, { kind: "bpe", vocabSize, ...special });
  };
}

/** Padding, with which targets start, and the end of a text. */
const translationTokens = ["<pad>", "</s>"];
