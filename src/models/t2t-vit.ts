/**
 * T2T-ViT: tokens made in three soft splits with attention between them, then a deep and narrow encoder.
 * Yuan et al. 2021, https://arxiv.org/abs/2101.11986; names of yitu-opensource/T2T-ViT.
 * B batch, C channels, T tokens, I width of a split's windows, W tokenDim, D embedDim, M random features, K classes.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { gelu } from "../graph/ops/activation.ts";
import { add, broadcastTo, div, mul, reshape, sub, sum, transpose } from "../graph/ops/core.ts";
import { exp, square } from "../graph/ops/math.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { concat, slice, split, squeeze } from "../graph/ops/shape.ts";
import { spatialSizes } from "../graph/ops/windows.ts";
import { joinHeads, scaledDotProductAttention, splitHeads } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { softSplit } from "../nn/patches.ts";
import { sinusoidTable } from "../nn/positions.ts";
import { rate, size } from "./config.ts";
import { architecturesOf } from "./family.ts";
import { classified, imageInput, imageLabels, pixelsOfSize } from "./image-heads.ts";
import type { Inputs, Model, Outputs } from "./model.ts";
import { runTimmLayers, type TimmLayer, TimmMlp, timmLayers } from "./timm-layers.ts";
import { imageSize } from "./vit-layers.ts";

const configSchema = z.object({
  imageSize: imageSize.default([224, 224]),
  numChannels: size.default(3),
  numClasses: size.default(1000),
  /** What attends between splits: a Transformer, or a Performer, whose cost is linear in the number of tokens. */
  tokensType: z.enum(["transformer", "performer"]).default("performer"),
  tokenDim: size.default(64),
  embedDim: size.default(384),
  depth: z.number().int().min(0).max(1000).default(14),
  numHeads: size.default(6),
  mlpRatio: z.number().positive().default(3),
  qkvBias: z.boolean().default(false),
  qkScale: z.number().positive().nullish(),
  dropRate: rate.default(0),
  attnDropRate: rate.default(0),
  dropPathRate: rate.default(0),
  labelSmoothing: rate.default(0),
});

type Config = z.infer<typeof configSchema>;

const epsilon = 1e-5;

/** Window and step of each split; the padding is half the step. */
const splits = [
  { kernel: 7, stride: 4, padding: 2 },
  { kernel: 3, stride: 2, padding: 1 },
  { kernel: 3, stride: 2, padding: 1 },
] as const;

const splitSoftly = (map: Node, { kernel, stride, padding }: (typeof splits)[number]): Node =>
  softSplit(map, kernel, { strides: stride, padding });

/** Tokens as an image of a grid: [B, T, W] → [B, W, H', W']. */
function asImage(tokens: Node, [rows, columns]: readonly number[]): Node {
  const [batch, , width] = tokens.shape;
  return reshape(transpose(tokens, [0, 2, 1]), [batch!, width!, rows!, columns!]);
}

const sizesAfter = (
  sizes: readonly number[],
  { kernel, stride, padding }: (typeof splits)[number],
): number[] => sizes.map((length) => Math.floor((length + 2 * padding - kernel) / stride) + 1);

/** Attention between splits: [B, T, I] → [B, T, W]. Its skip connection carries the values, as widths differ. */
interface TokenAttention {
  forward(ctx: Context, x: Node): Node;
}

/** One head over all tokens. */
class TokenTransformer implements TokenAttention {
  readonly norm1: LayerNorm;
  readonly attn: { readonly qkv: Linear; readonly proj: Linear };
  readonly norm2: LayerNorm;
  readonly mlp: TimmMlp;

  constructor(
    init: Init,
    private readonly inSize: number,
    private readonly width: number,
  ) {
    this.norm1 = new LayerNorm(init, inSize, epsilon);
    this.attn = { qkv: new Linear(init, inSize, 3 * width, false), proj: new Linear(init, width, width) };
    this.norm2 = new LayerNorm(init, width, epsilon);
    this.mlp = new TimmMlp(init, width, width);
  }

  forward(ctx: Context, x: Node): Node {
    const parts = split(this.attn.qkv.forward(this.norm1.forward(x)), -1, [
      this.width,
      this.width,
      this.width,
    ]);
    const [query, key, value] = parts.map((part) => splitHeads(part, 1)) as [Node, Node, Node];
    const mixed = scaledDotProductAttention(ctx, query, [{ key, value }], { scale: this.inSize ** -0.5 });
    const hidden = add(parts[2]!, this.attn.proj.forward(joinHeads(mixed)));
    return add(hidden, this.mlp.forward(this.norm2.forward(hidden)));
  }
}

/** Attention by positive random features. Choromanski et al. 2021, https://arxiv.org/abs/2009.14794 */
class TokenPerformer implements TokenAttention {
  readonly norm1: LayerNorm;
  readonly kqv: Linear;
  /** Random projection [M, W], not trained. */
  readonly w: Node;
  readonly proj: Linear;
  readonly norm2: LayerNorm;
  readonly mlp: readonly [Linear, undefined, Linear];
  private readonly features: number;

  constructor(
    init: Init,
    inSize: number,
    private readonly width: number,
  ) {
    this.features = Math.trunc(width / 2);
    this.norm1 = new LayerNorm(init, inSize, epsilon);
    this.kqv = new Linear(init, inSize, 3 * width);
    this.w = init.frozen().normal([this.features, width], 1);
    this.proj = new Linear(init, width, width);
    this.norm2 = new LayerNorm(init, width, epsilon);
    this.mlp = [new Linear(init, width, width), undefined, new Linear(init, width, width)];
  }

  forward(_ctx: Context, x: Node): Node {
    const parts = split(this.kqv.forward(this.norm1.forward(x)), -1, [this.width, this.width, this.width]);
    const [key, query, value] = parts as [Node, Node, Node];
    const [keys, queries] = [this.randomFeatures(key), this.randomFeatures(query)];
    const total = transpose(sum(keys, 1, true), [0, 2, 1]); // [B, M, 1]
    const mixed = matmul(queries, matmul(keys, value, { transA: true }));
    const attended = div(mixed, add(matmul(queries, total), 1e-8));
    const hidden = add(value, this.proj.forward(attended));
    const [up, , down] = this.mlp;
    return add(hidden, down.forward(gelu(up.forward(this.norm2.forward(hidden)))));
  }

  /** exp(w x − |x|²/2) / √M: [B, T, W] → [B, T, M]. */
  private randomFeatures(x: Node): Node {
    const exponent = sub(matmul(x, this.w, { transB: true }), mul(sum(square(x), -1, true), 0.5));
    return mul(exp(exponent), 1 / Math.sqrt(this.features));
  }
}

/** From pixels to tokens: split, attend, split, attend, split, project. */
class TokensToToken {
  readonly attention1: TokenAttention;
  readonly attention2: TokenAttention;
  readonly project: Linear;

  constructor(init: Init, { tokensType, tokenDim, embedDim, numChannels }: Config) {
    const Attention = tokensType === "performer" ? TokenPerformer : TokenTransformer;
    this.attention1 = new Attention(init, numChannels * 49, tokenDim);
    this.attention2 = new Attention(init, tokenDim * 9, tokenDim);
    this.project = new Linear(init, tokenDim * 9, embedDim);
  }

  /** [B, C, H, W] → [B, T, D]. Captures what each part gives. */
  forward(ctx: Context, pixels: Node): Node {
    const first = ctx.capture("soft_split0", splitSoftly(pixels, splits[0]));
    const sizes1 = sizesAfter(spatialSizes("T2T-ViT", pixels.shape), splits[0]);
    const tokens1 = ctx.capture("token_attention1", this.attention1.forward(ctx, first));
    const second = splitSoftly(asImage(tokens1, sizes1), splits[1]);
    const tokens2 = ctx.capture("token_attention2", this.attention2.forward(ctx, second));
    const third = splitSoftly(asImage(tokens2, sizesAfter(sizes1, splits[1])), splits[2]);
    return ctx.capture("tokens", this.project.forward(third));
  }
}

export class T2TViT implements Model {
  readonly tokens_to_token: TokensToToken;
  readonly cls_token: Node;
  readonly pos_embed: Node;
  readonly blocks: readonly TimmLayer[];
  readonly norm: LayerNorm;
  readonly head: Linear;

  constructor(
    init: Init,
    private readonly config: Config,
  ) {
    const { embedDim, depth, numClasses, dropPathRate } = config;
    const [rows, columns] = splits.reduce<number[]>(sizesAfter, [...config.imageSize]);
    this.tokens_to_token = new TokensToToken(init, config);
    this.cls_token = init.truncatedNormal([1, 1, embedDim]);
    this.pos_embed = init.table(
      sinusoidTable(1 + rows! * columns!, embedDim).reshape([1, 1 + rows! * columns!, embedDim]),
    );
    this.blocks = timmLayers(init, { ...config, layerNormEps: epsilon }, depth, dropPathRate);
    this.norm = new LayerNorm(init, embedDim, epsilon);
    this.head = new Linear(init, embedDim, numClasses);
  }

  /** `pixel_values` [B, C, H, W] of the config's size. */
  forward(ctx: Context, inputs: Inputs): Outputs {
    const tokens = this.tokens_to_token.forward(ctx, pixelsOfSize("T2T-ViT", inputs, this.config.imageSize));
    const classTokens = broadcastTo(this.cls_token, [tokens.shape[0]!, 1, this.config.embedDim]);
    const placed = ctx.dropout(add(concat([classTokens, tokens], 1), this.pos_embed), this.config.dropRate);
    const hidden = this.norm.forward(runTimmLayers(ctx, this.blocks, placed));
    const pooled = ctx.capture("pooled", squeeze(slice(hidden, 1, 0, 1), 1));
    return classified(this.head.forward(pooled), inputs, this.config);
  }
}

const fields = ["tokens_to_token", "cls_token", "pos_embed", "blocks", "norm", "head"];

export const t2tVitArchitectures = architecturesOf(
  {
    modelType: "t2t-vit",
    config: configSchema,
    names: Object.fromEntries(fields.map((name) => [name, name])),
    basePrefix: "",
    inputs: ({ numChannels, imageSize }) => [imageInput(numChannels, imageSize)],
  },
  [{ name: "t2t-vit", task: "image-classification", build: T2TViT, labels: imageLabels }],
);

const transformerTokens = { tokens_type: "transformer" } as const;
const sizes = {
  "14": { embed_dim: 384, depth: 14, num_heads: 6 },
  "19": { embed_dim: 448, depth: 19, num_heads: 7 },
  "24": { embed_dim: 512, depth: 24, num_heads: 8 },
} as const;

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const t2tVitConfigs = {
  "t2t-vit-14": sizes[14],
  "t2t-vit-19": sizes[19],
  "t2t-vit-24": sizes[24],
  "t2t-vit-t-14": { ...sizes[14], ...transformerTokens },
  "t2t-vit-t-19": { ...sizes[19], ...transformerTokens },
  "t2t-vit-t-24": { ...sizes[24], ...transformerTokens },
};
