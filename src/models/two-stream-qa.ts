/**
 * Question answering by two streams: after the encoder, the question's tokens attend to the passage's and the passage's
 * to the question's, in both directions by one affinity, before spans are scored.
 * After Seo et al. 2017 (BiDAF), https://arxiv.org/abs/1611.01603, and Xiong et al. 2017 (dynamic coattention),
 * https://arxiv.org/abs/1611.01604, with the attention of Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
 * B batch, T tokens, D hiddenSize.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { add, mul } from "../graph/ops/core.ts";
import { and, cast, equal, notEqual } from "../graph/ops/select.ts";
import { concat, unsqueeze } from "../graph/ops/shape.ts";
import { MultiHeadAttention, paddingBias } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { size } from "./config.ts";
import { architecturesOf, type Family, spanLabels, tokenInput } from "./family.ts";
import { spanOutputs } from "./heads.ts";
import { requiredInput } from "./inputs.ts";
import type { Architecture, Inputs, Model, Outputs } from "./model.ts";

interface HeadShape {
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly dropout: number;
  readonly epsilon: number;
}

/** Every token attends to the other stream; a skip connection and a norm follow. */
class CoAttention {
  readonly attention: MultiHeadAttention;
  readonly norm: LayerNorm;

  constructor(
    init: Init,
    private readonly shape: HeadShape,
  ) {
    this.attention = new MultiHeadAttention(init, shape.hiddenSize, shape.numHeads);
    this.norm = new LayerNorm(init, shape.hiddenSize, shape.epsilon);
  }

  /** x [B, T, D], bias [B, 1, T, T] → [B, T, D]. */
  forward(ctx: Context, x: Node, bias: Node, captureAs: string): Node {
    const { dropout } = this.shape;
    const read = this.attention.forward(ctx, x, { bias, dropout, captureAs });
    return this.norm.forward(add(ctx.dropout(read, dropout), x));
  }
}

/** Layers of co-attention, and scores from each token's state before them, after them, and the product of both. */
class TwoStreamHead {
  readonly layers: readonly CoAttention[];
  readonly spans: Linear;

  constructor(init: Init, shape: HeadShape, layers: number) {
    this.layers = Array.from({ length: layers }, () => new CoAttention(init, shape));
    this.spans = new Linear(init, 3 * shape.hiddenSize, 2);
  }

  /**
   * hidden [B, T, D] → start and end scores. `token_type_ids` [B, T] tell the streams apart: 1 is the passage.
   * Captures `two_stream_attentions.N`.
   */
  forward(ctx: Context, hidden: Node, inputs: Inputs): Outputs {
    const bias = acrossStreams(inputs, hidden);
    let x = hidden;
    for (const [at, layer] of this.layers.entries()) {
      x = layer.forward(ctx, x, bias, `two_stream_attentions.${at}`);
    }
    return spanOutputs(this.spans.forward(concat([hidden, x, mul(hidden, x)], -1)), inputs);
  }
}

/** A bias [B, 1, T, T] that lets a token see only tokens of the other stream that are no padding. */
function acrossStreams(inputs: Inputs, { dtype }: Node): Node {
  const isPassage = cast(equal(requiredInput(inputs, "token_type_ids", "two-stream head"), 1), "int64");
  const isOther = notEqual(unsqueeze(isPassage, 2), unsqueeze(isPassage, 1));
  const { attention_mask: mask } = inputs;
  const isSeen = mask ? and(isOther, equal(unsqueeze(mask, 1), 1)) : isOther;
  return paddingBias(isSeen, dtype);
}

const configSchema = z.object({
  /** Layers of co-attention. */
  twoStreamLayers: size.default(2),
});

type TwoStreamConfig = z.infer<typeof configSchema>;

/** Embeddings and layers of a family: inputs → [B, T, D]. */
type EncoderClass<Config> = new (
  init: Init,
  config: Config,
) => { forward(ctx: Context, inputs: Inputs): Node };

/** The class of an encoder with the two-stream head. */
function twoStreamClass<Config>(
  Encoder: EncoderClass<Config>,
  shapeOf: (config: Config) => HeadShape,
): new (
  init: Init,
  config: Config & TwoStreamConfig,
) => Model {
  return class implements Model {
    readonly encoder: InstanceType<EncoderClass<Config>>;
    readonly twoStream: TwoStreamHead;

    constructor(init: Init, config: Config & TwoStreamConfig) {
      this.encoder = new Encoder(init, config);
      this.twoStream = new TwoStreamHead(init, shapeOf(config), config.twoStreamLayers);
    }

    /** `start_positions` and `end_positions` [B]; a position outside the text does not count. */
    forward(ctx: Context, inputs: Inputs): Outputs {
      return this.twoStream.forward(ctx, this.encoder.forward(ctx, inputs), inputs);
    }
  };
}

/**
 * The architecture of a family's encoder with the two-stream head, whose weights are `two_stream.…`. Families whose
 * encoder has no token types get them as an input, for the head.
 */
export function twoStreamArchitectures<Config>(
  family: Family<Config>,
  name: string,
  Encoder: EncoderClass<Config>,
  shapeOf: (config: Config) => HeadShape,
): Architecture[] {
  const { basePrefix, names } = family;
  const encoderNames = Object.entries(names)
    .filter(([ours]) => ours.startsWith(basePrefix))
    .map(([ours, hub]) => [`encoder.${ours.slice(basePrefix.length)}`, hub]);
  const withHead: Family<Config & TwoStreamConfig> = {
    ...family,
    config: z.intersection(family.config, configSchema),
    names: { ...Object.fromEntries(encoderNames), twoStream: "two_stream" },
    inputs: ["input_ids", "attention_mask", "token_type_ids"].map((name) => tokenInput(name)),
  };
  const build = twoStreamClass(Encoder, shapeOf);
  return architecturesOf(withHead, [
    { name, task: "question-answering", variant: "two-stream", build, labels: spanLabels },
  ]);
}
