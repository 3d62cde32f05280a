/** `explain(model, text)`: what a model looks at, and which tokens its answer rests on. B rows, T tokens, D hidden size. */

import type { TaskName } from "../models/model.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { findModel } from "../tasks/find-model.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import { type AttentionMap, attentionMaps, ownMaps, rollout } from "./attention.ts";
import { type Gradients, gradientsOf, rowsOf } from "./attribution.ts";
import { forwardGraph, traceModel } from "./graphs.ts";
import { prepareInput, sizesOf } from "./prepare.ts";
import { ModelRunner } from "./runner.ts";
import { chooseTarget, type Target, type TargetOptions } from "./target.ts";
import type { ExplainedToken, ExplainInput } from "./tokens.ts";

export interface ExplainOptions extends TargetOptions, Pick<SessionOptions, "provider" | "threads"> {
  /** Points at which integrated gradients take the gradient, from 1. Default 32. */
  readonly steps?: number | undefined;
  /** Most tokens that are read. Default: what the model allows. */
  readonly maxLength?: number | undefined;
}

/** How much each token counts for the target's score. */
export interface Attribution extends Gradients {
  readonly target: Target;
  /** The token that stands in every word's place in the text that attributions are measured from. */
  readonly baselineToken: string;
  /** Attention rollout of the positions at which the score is read, one value for each token; they add up to 1. */
  readonly rollout: readonly number[];
}

export interface Explanation {
  readonly architecture: string;
  readonly task: TaskName;
  readonly tokens: readonly ExplainedToken[];
  /** What the decoder of an encoder–decoder reads: the start token, and all of its output but the last token. */
  readonly outputTokens?: readonly ExplainedToken[];
  /** Tokens beyond the longest input, which were not read. */
  readonly leftOut: number;
  readonly attention: readonly AttentionMap[];
  /** [T, T]: how much of each position's last state comes from each position. */
  readonly rollout: Tensor;
  /** Undefined where the model scores nothing, as one for feature extraction. */
  readonly attribution?: Attribution;
}

/**
 * Attention maps, attention rollout, and attributions of a model's answer to the tokens of a text. An encoder–decoder
 * is explained for a given output, the second text of a pair.
 * @param model a folder, a version in the store, a bundled model or a name on the hub
 * @throws ConfigError for an unknown model or one that cannot be explained, RequestError for an unknown target.
 */
export async function explain(
  model: string,
  input: ExplainInput,
  options: ExplainOptions = {},
): Promise<Explanation> {
  const { target, at, steps = 32, maxLength = Number.POSITIVE_INFINITY, ...session } = options;
  const runner = await ModelRunner.open(await findModel(model), session);
  const { config, folder, architecture } = runner;
  const tokenizer = await loadTokenizer(folder);
  const prepared = prepareInput(runner, tokenizer, input, maxLength);
  const { feeds, tokenized, output } = prepared;
  const traced = traceModel(architecture, config, sizesOf(runner, feeds));
  const [outputs] = (await runner.run(forwardGraph(traced), [feeds])) as [Record<string, Tensor>];
  const chosen = chooseTarget(architecture.task, {
    outputs,
    config,
    tokenizer,
    input: tokenized,
    output,
    target,
    at,
  });
  const [embedded, baseline] = rowsOf(outputs[traced.embeddings]!) as [Tensor, Tensor];
  const gradients =
    chosen &&
    (await gradientsOf({ runner, model: traced, feeds, embedded, baseline, target: chosen, steps }));
  const attention = attentionMaps(outputs);
  const rolled = rollout(ownMaps(attention), tokenized.tokens.length);
  return {
    architecture: architecture.name,
    task: architecture.task,
    tokens: tokenized.tokens,
    ...(output && { outputTokens: output.tokens }),
    leftOut: tokenized.leftOut,
    attention,
    rollout: rolled,
    ...(gradients && {
      attribution: {
        ...gradients,
        target: chosen,
        baselineToken: prepared.baselineToken,
        rollout: readRollout(rolled, gradients.reading),
      },
    }),
  };
}

/** The rows of a rollout [T, T] added up by the share of each position. */
function readRollout({ shape, data }: Tensor, reading: readonly number[]): number[] {
  const [length] = shape as [number, number];
  return Array.from({ length }, (_, to) =>
    reading.reduce((sum, share, from) => sum + share * Number(data[from * length + to]), 0),
  );
}
