/**
 * How alike two sentences are: each is encoded by itself to one vector, and the vectors' cosine is the answer.
 * Reimers & Gurevych 2019 (Sentence-BERT), https://arxiv.org/abs/1908.10084
 * B batch, N texts, T tokens, D hidden size.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { div, mul, reshape, sum } from "../graph/ops/core.ts";
import { maximum } from "../graph/ops/math.ts";
import { l2Norm } from "../graph/ops/reduce.ts";
import { slice, squeeze } from "../graph/ops/shape.ts";
import type { Context } from "../nn/context.ts";
import { meanSquaredError } from "../nn/losses.ts";
import type { Init } from "../nn/module.ts";
import { architecturesOf, type Family, labelInput, tokenInput } from "./family.ts";
import { choiceRows } from "./inputs.ts";
import type { Architecture, Inputs, Model, Outputs } from "./model.ts";
import { firstState, meanState } from "./token-states.ts";

/** How a text's tokens become one vector: their mean, or the first one's. */
export const sentencePoolings = ["mean", "cls"] as const;

const configSchema = z.object({ sentencePooling: z.enum(sentencePoolings).default("mean") });

type SimilarityConfig = z.infer<typeof configSchema>;

/** Embeddings and layers of a family: inputs → [B, T, D]. */
type EncoderClass<Config> = new (
  init: Init,
  config: Config,
) => { forward(ctx: Context, inputs: Inputs): Node };

/** A vector's length below which it counts as this long, so that no quotient overflows. */
const leastLength = 1e-12;

function similarityClass<Config>(
  Encoder: EncoderClass<Config>,
): new (
  init: Init,
  config: Config & SimilarityConfig,
) => Model {
  return class implements Model {
    readonly encoder: InstanceType<EncoderClass<Config>>;
    private readonly pool: typeof meanState;

    constructor(init: Init, config: Config & SimilarityConfig) {
      this.encoder = new Encoder(init, config);
      this.pool = config.sentencePooling === "mean" ? meanState : firstState;
    }

    /** Texts [B, N, T] → `last_hidden_state` [B·N, T, D]; with `labels` [B] of pairs (N = 2) their `similarity` [B]. */
    forward(ctx: Context, { labels, ...inputs }: Inputs): Outputs {
      const { rows, shape } = choiceRows(inputs, "sentence similarity");
      const states = this.encoder.forward(ctx, rows);
      if (!labels) return { last_hidden_state: states };
      const vectors = this.pool(states, rows.attention_mask);
      const units = div(vectors, maximum(l2Norm(vectors, -1, true), leastLength));
      const pairs = reshape(units, [...shape, units.shape[1]!]);
      const side = (at: number): Node => squeeze(slice(pairs, 1, at, at + 1), 1);
      const similarity = sum(mul(side(0), side(1)), -1);
      return { loss: meanSquaredError(similarity, labels), similarity, last_hidden_state: states };
    }
  };
}

/** The architecture of a family's encoder for sentence similarity; it has no weights of its own. */
export function similarityArchitectures<Config>(
  family: Family<Config>,
  name: string,
  Encoder: EncoderClass<Config>,
): Architecture[] {
  const { basePrefix, names, inputs } = family;
  const encoderNames = Object.entries(names)
    .filter(([ours]) => ours.startsWith(basePrefix))
    .map(([ours, hub]) => [`encoder.${ours.slice(basePrefix.length)}`, hub]);
  const severalTexts = (config: Config) =>
    (typeof inputs === "function" ? inputs(config) : inputs).map((spec) =>
      tokenInput(spec.name, ["batch", "texts", "length"]),
    );
  const similar: Family<Config & SimilarityConfig> = {
    ...family,
    config: z.intersection(family.config, configSchema),
    names: Object.fromEntries(encoderNames),
    inputs: severalTexts,
  };
  return architecturesOf(similar, [
    {
      name,
      task: "sentence-similarity",
      build: similarityClass(Encoder),
      labels: [labelInput("labels", ["batch"], "float32")],
    },
  ]);
}
