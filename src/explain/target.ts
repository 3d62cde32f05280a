/** Which number of a model's outputs is explained: its prediction, or what the caller asks for. */

import { RequestError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import { readLabels } from "../tasks/labels.ts";
import { argmax, rowAt, sigmoid, softmax } from "../tasks/scores.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { GivenOutput } from "./prepare.ts";
import { answerTarget, maskTarget, nextTokenTarget, outputTarget } from "./token-target.ts";
import type { TokenizedInput } from "./tokens.ts";

/** A score of the model: the sum of one element of each of some outputs. */
export interface Target {
  /** A class, a token or an answer. */
  readonly label: string;
  /** What the model gives it; undefined for a predicted number. */
  readonly probability?: number;
  /** The tokens whose outputs are scored; none where the whole text has one output. */
  readonly positions: readonly number[];
  /** The element of each output, without the batch axis. */
  readonly points: Readonly<Record<string, readonly number[]>>;
}

export interface TargetOptions {
  /** A label, a token, or an answer as the context has it. Default: what the model predicts. */
  readonly target?: string | undefined;
  /**
   * Position, from 0, of the token whose label, filling or successor is explained, or that of an output. Default: the
   * most certain label that is not `O`, the first mask, the last token, the first of the output.
   */
  readonly at?: number | undefined;
}

/** All that a target is chosen by. Outputs have a batch axis, of which the first row counts. */
export interface TargetContext extends TargetOptions {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly config: ConfigJson;
  readonly tokenizer: Tokenizer;
  readonly input: TokenizedInput;
  readonly output?: GivenOutput | undefined;
}

const readers: Readonly<Record<string, (context: TargetContext) => Target | undefined>> = {
  "text-classification": classTarget,
  "next-sentence-prediction": classTarget,
  "token-classification": tagTarget,
  "question-answering": answerTarget,
  "fill-mask": maskTarget,
  pretraining: maskTarget,
  "text-generation": nextTokenTarget,
  translation: outputTarget,
};

/**
 * The target for a task; undefined where the model gives no scores, as for feature extraction.
 * @throws RequestError when the wanted target is not one of the model's, or the text lacks what the task needs.
 */
export function chooseTarget(task: string, context: TargetContext): Target | undefined {
  const { at, input, output, target } = context;
  const { length } = (output ?? input).tokens;
  if (at !== undefined && !(at >= 0 && at < length)) {
    throw new RequestError(`explain: the position must be one of 0 to ${length - 1}, got ${at}`);
  }
  const chosen = readers[task]?.(context);
  if (chosen || target === undefined) return chosen;
  throw new RequestError(`explain: this model for ${task} scores no targets; leave out "${target}"`);
}

function classTarget({ outputs, config, target }: TargetContext): Target {
  const { id2label, problemType } = readLabels(config, "explain");
  const logits = rowAt(outputs.logits!, 0);
  const label = target === undefined ? argmax(logits) : labelIndex(target, id2label);
  const isIndependent = problemType === "multi_label_classification" || logits.length === 1;
  const probability = isIndependent ? sigmoid(logits[label]!) : softmax(logits)[label]!;
  return {
    label: id2label[label] ?? `LABEL_${label}`,
    ...(problemType !== "regression" && { probability }),
    positions: [],
    points: { logits: [label] },
  };
}

function labelIndex(label: string, labels: readonly string[]): number {
  const at = labels.indexOf(label);
  if (at >= 0) return at;
  throw new RequestError(
    `explain: the target must be one of ${labels.slice(0, 20).join(", ")}; got "${label}"`,
  );
}

/** The label of one token: the wanted one or the likeliest, at the position where it is most certain. */
function tagTarget({ outputs, config, input, target, at }: TargetContext): Target {
  const { id2label } = readLabels(config, "explain");
  const wanted = target === undefined ? undefined : labelIndex(target, id2label);
  const positions =
    at === undefined ? [...input.tokens.keys()].filter((p) => !input.tokens[p]!.isSpecial) : [at];
  const candidates = positions.map((position) => {
    const scores = softmax(rowAt(outputs.logits!, position));
    const label = wanted ?? argmax(scores);
    const isNothing = at === undefined && wanted === undefined && id2label[label] === "O";
    return { position, label, probability: scores[label]!, rank: scores[label]! - (isNothing ? 1 : 0) };
  });
  const [best] = candidates.sort((a, b) => b.rank - a.rank);
  const { position, label, probability } = best!;
  return {
    label: `${id2label[label] ?? `LABEL_${label}`} (${input.tokens[position]!.text})`,
    probability,
    positions: [position],
    points: { logits: [position, label] },
  };
}
