/** One vector of unit length for each text, with the number of its tokens; what a service of embeddings gives. D hidden size. */

import { z } from "zod";
import { ConfigError, RequestError } from "../errors.ts";
import { parseConfig } from "../models/config.ts";
import { sentencePoolings } from "../models/sentence-similarity.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { BatchOptions, EncodedText } from "./batch-runner.ts";
import { featureAnswers, pooled, toUnitLength } from "./feature-extraction.ts";
import type { OpenAnyModel } from "./open-for-task.ts";
import { type AnswerTask, Predictor, type TaskModel } from "./predictor.ts";

export const embeddingTask = "embeddings";

export interface Embedding {
  /** float32 [D], little-endian, in base64: a quarter of its size as JSON, and the same bits wherever it is kept. */
  readonly embedding: string;
  readonly tokens: number;
}

/** A text, or its tokens, special ones included. */
const input = z.union(
  [z.string(), z.array(z.int().nonnegative()).min(1)],
  "must be a text or a list of token ids",
);

const options = z.strictObject({});

const poolingSchema = z.object({ sentencePooling: z.enum(sentencePoolings).default("mean") });

/** Pooling is the config's `sentence_pooling`, or `mean`. @throws RequestError for a text with too many tokens. */
const embeddingAnswers: AnswerTask<z.infer<typeof input>, z.infer<typeof options>, Embedding> = {
  outputs: featureAnswers.outputs,
  input,
  options,
  async answer(model, text) {
    const { tokenizer, config, run } = model;
    const { sentencePooling } = parseConfig(poolingSchema, config, embeddingTask);
    const { ids, typeIds } = encoded(text, model);
    const [states] = await run({ ids, typeIds });
    const width = states!.shape.at(-1)!;
    const tokens = (states!.data as Float32Array).subarray(0, ids.length * width);
    const vector = pooled(tokens, width, sentencePooling, ids.indexOf(tokenizer.clsId ?? -1));
    toUnitLength(vector);
    return { embedding: Buffer.from(vector.buffer).toString("base64"), tokens: ids.length };
  },
};

/** @throws ConfigError, code unsupported, when the model gives no vectors of tokens. */
export function openEmbedder(model: OpenAnyModel, batches: BatchOptions): Predictor<Embedding> {
  if ("session" in model && "tokenizer" in model) {
    const has = (name: string): boolean => model.session.outputs.some((output) => output.name === name);
    if (embeddingAnswers.outputs(model.config).some((names) => names.every(has)))
      return Predictor.open(embeddingTask, embeddingAnswers, model, batches);
  }
  const { name, task } = model.architecture;
  throw new ConfigError(
    `${name}: is for ${task} and gives no embeddings of texts; take a model made for it`,
    {
      code: "unsupported",
    },
  );
}

function encoded(text: string | number[], { tokenizer, maxLength }: TaskModel): EncodedText {
  const encoding = typeof text === "string" ? tokenizer.encode(text) : ofIds(text, tokenizer);
  if (encoding.ids.length <= maxLength) return encoding;
  throw new RequestError(
    `${embeddingTask}: a text may have ${maxLength} tokens, got ${encoding.ids.length}; send it in parts`,
  );
}

function ofIds(ids: readonly number[], { vocabSize }: Tokenizer): EncodedText {
  const wrong = ids.find((id) => id >= vocabSize);
  if (wrong === undefined) return { ids, typeIds: ids.map(() => 0) };
  throw new RequestError(
    `${embeddingTask}: token ${wrong} must be below ${vocabSize}, the size of the vocabulary`,
  );
}
