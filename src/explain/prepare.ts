/** From an input to a model's feeds: two rows, the text and the baseline that attributions are measured from. */

import { ConfigError, RequestError } from "../errors.ts";
import type { Feeds } from "../runtime/session.ts";
import { maxLengthOf } from "../tasks/predictor.ts";
import { Tensor } from "../tensor/tensor.ts";
import { padBatch } from "../text/batch.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { ModelRunner } from "./runner.ts";
import {
  type ExplainedToken,
  type ExplainInput,
  readInput,
  type TokenizedInput,
  tokenizeInput,
} from "./tokens.ts";

/** The given output of an encoder–decoder. */
export interface GivenOutput {
  /** Ids that the decoder should give, one for each token that it reads. */
  readonly ids: readonly number[];
  /** What it reads: the start token, and the output without its last token. */
  readonly tokens: readonly ExplainedToken[];
}

export interface PreparedInput {
  readonly tokenized: TokenizedInput;
  readonly output?: GivenOutput | undefined;
  /** The token that stands in every word's place in the baseline. */
  readonly baselineToken: string;
  /** Two rows of all that the model may read. */
  readonly feeds: Feeds;
}

/** @throws RequestError when the input does not suit the model, ConfigError when the model lacks what is needed. */
export function prepareInput(
  runner: ModelRunner,
  tokenizer: Tokenizer,
  input: ExplainInput,
  maxLength: number,
): PreparedInput {
  const { config, folder } = runner;
  const longest = Math.min(maxLength, maxLengthOf(config, tokenizer, folder));
  const [text, second] = readInput(input);
  const specs = runner.architecture.inputs(config);
  if (!specs.some(({ name, axes }) => name === "input_ids" && axes.length === 2)) {
    throw new ConfigError(
      `explain: ${runner.architecture.name} does not read one text, as models must to be explained`,
      {
        code: "unsupported",
      },
    );
  }
  const hasDecoder = specs.some(({ name }) => name === "decoder_input_ids");
  const tokenized = tokenizeInput(tokenizer, text, hasDecoder ? undefined : second, longest);
  const output = hasDecoder ? givenOutput(runner, tokenizer, second, longest) : undefined;
  const baselineId = baselineIdOf(runner, tokenizer);
  const feeds = {
    ...textFeeds(tokenized, baselineId, tokenizer.padId),
    ...(output && { decoder_input_ids: output.feed }),
  };
  return { tokenized, output, baselineToken: tokenizer.idToToken(baselineId) ?? String(baselineId), feeds };
}

function givenOutput(
  { config }: ModelRunner,
  tokenizer: Tokenizer,
  text: string | undefined,
  maxLength: number,
): GivenOutput & { feed: Tensor } {
  if (text === undefined) {
    throw new RequestError("explain: this model reads one text and writes another; give both, as a pair");
  }
  const { encoding, tokens } = tokenizeInput(tokenizer, text, undefined, maxLength);
  const given = config.decoder_start_token_id ?? config.bos_token_id ?? config.pad_token_id;
  const startId = typeof given === "number" ? given : tokenizer.padId;
  const name = tokenizer.idToToken(startId) ?? String(startId);
  const start: ExplainedToken = { token: name, text: name, isSpecial: true, word: 0, isApart: true };
  const read = [startId, ...encoding.ids.slice(0, -1)];
  return {
    ids: encoding.ids,
    tokens: [start, ...tokens.slice(0, -1).map((token) => ({ ...token, word: token.word + 1 }))],
    feed: Tensor.from("int64", [2, read.length], [...read, ...read]),
  };
}

/** The token that says least: the mask, else padding, the unknown or the end. */
function baselineIdOf({ config, folder }: ModelRunner, tokenizer: Tokenizer): number {
  const candidates = [tokenizer.maskId, config.pad_token_id, tokenizer.unkId, config.eos_token_id];
  const found = candidates.find((id) => typeof id === "number");
  if (found !== undefined) return Number(found);
  throw new ConfigError(
    `${folder}: must have a mask, padding, unknown or end token to measure attributions from`,
  );
}

/** The text, and the text with `baselineId` for every token that is not special. */
function textFeeds({ encoding }: TokenizedInput, baselineId: number, padId: number): Record<string, Tensor> {
  const { ids, typeIds, specialTokensMask } = encoding;
  const baseline = ids.map((id, at) => (specialTokensMask[at] === 1 ? id : baselineId));
  const rows = [ids, baseline].map((row) => ({ ids: row, typeIds }));
  return { ...padBatch(rows, { padId }) };
}

/** Sizes of the axes of the model's inputs, the batch's aside. */
export function sizesOf({ architecture, config }: ModelRunner, feeds: Feeds): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const { name, axes } of architecture.inputs(config)) {
    const shape = feeds[name]?.shape;
    for (const [at, axis] of axes.entries()) if (shape && axis !== "batch") sizes[axis] = shape[at]!;
  }
  return sizes;
}
