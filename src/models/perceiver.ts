/**
 * The perceiver resampler: as many vectors as there are latents, out of any number of visual tokens.
 * Jaegle et al. 2021, https://arxiv.org/abs/2103.03206; Alayrac et al. 2022 (Flamingo), https://arxiv.org/abs/2204.14198
 * B batch, M images (or videos), F frames, T tokens of a frame, L latents, D width.
 */

import { z } from "zod";
import type { Node } from "../graph/node.ts";
import { gelu } from "../graph/ops/activation.ts";
import { add, broadcastTo, reshape } from "../graph/ops/core.ts";
import { concat, slice, split, unsqueeze } from "../graph/ops/shape.ts";
import { joinHeads, scaledDotProductAttention, splitHeads } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { type Dim, mulDims } from "../tensor/dims.ts";
import type { NameMap } from "../weights/names.ts";
import { size } from "./config.ts";

/** Norms are those of PyTorch's default. */
export const flamingoEpsilon = 1e-5;

export const perceiverConfig = z.object({
  dim: size.default(1024),
  depth: z.number().int().min(0).max(1000).default(6),
  dimHead: size.default(64),
  heads: size.default(8),
  numLatents: size.default(64),
  /** Most images and frames that have vectors of their own; without a number they are not told apart. */
  maxNumMedia: size.nullish(),
  maxNumFrames: size.nullish(),
  ffMult: size.default(4),
});

export type PerceiverConfig = z.infer<typeof perceiverConfig>;

/**
 * A linear map without bias. First values deviate as PyTorch's do, by 1 / √(3 · inSize), so that what is seen reaches the
 * words at any width.
 */
export const flamingoLinear = (init: Init, inSize: number, outSize: number): Linear =>
  new Linear(init.withStd(1 / Math.sqrt(3 * inSize)), inSize, outSize, false);

/** A norm, then two linear maps without biases and a GELU between. */
export class NormedFeedForward {
  readonly norm: LayerNorm;
  readonly up: Linear;
  readonly down: Linear;

  constructor(init: Init, width: number, factor: number) {
    this.norm = new LayerNorm(init, width, flamingoEpsilon);
    this.up = flamingoLinear(init, width, width * factor);
    this.down = flamingoLinear(init, width * factor, width);
  }

  /** [..., D] → [..., D]. */
  forward(x: Node): Node {
    return this.down.forward(gelu(this.up.forward(this.norm.forward(x))));
  }
}

/** Latents that attend to visual tokens and to each other. */
class LatentAttention {
  readonly mediaNorm: LayerNorm;
  readonly latentsNorm: LayerNorm;
  readonly query: Linear;
  readonly keyValue: Linear;
  readonly output: Linear;

  constructor(
    init: Init,
    private readonly config: PerceiverConfig,
  ) {
    const { dim, heads, dimHead } = config;
    const inner = heads * dimHead;
    this.mediaNorm = new LayerNorm(init, dim, flamingoEpsilon);
    this.latentsNorm = new LayerNorm(init, dim, flamingoEpsilon);
    this.query = flamingoLinear(init, dim, inner);
    this.keyValue = flamingoLinear(init, dim, 2 * inner);
    this.output = flamingoLinear(init, inner, dim);
  }

  /** tokens [N, F·T, D], latents [N, L, D] → [N, L, D]. */
  forward(ctx: Context, tokens: Node, latents: Node, captureAs: string): Node {
    const { heads, dimHead } = this.config;
    const own = this.latentsNorm.forward(latents);
    const query = splitHeads(this.query.forward(own), heads);
    const source = concat([this.mediaNorm.forward(tokens), own], 1);
    const inner = heads * dimHead;
    const [key, value] = split(this.keyValue.forward(source), -1, [inner, inner]).map((part) =>
      splitHeads(part, heads),
    ) as [Node, Node];
    return this.output.forward(
      joinHeads(scaledDotProductAttention(ctx, query, [{ key, value }], { captureAs })),
    );
  }
}

export class PerceiverResampler {
  readonly latents: Node;
  readonly frames: Node | undefined;
  readonly media: Node | undefined;
  readonly layers: readonly {
    readonly attention: LatentAttention;
    readonly feedForward: NormedFeedForward;
  }[];
  readonly norm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: PerceiverConfig,
  ) {
    const { dim, depth, numLatents, maxNumFrames, maxNumMedia, ffMult } = config;
    this.latents = init.normal([numLatents, dim], 1);
    this.frames = maxNumFrames ? init.normal([maxNumFrames, dim], 1) : undefined;
    this.media = maxNumMedia ? init.normal([maxNumMedia, 1, dim], 1) : undefined;
    this.layers = Array.from({ length: depth }, () => ({
      attention: new LatentAttention(init, config),
      feedForward: new NormedFeedForward(init, dim, ffMult),
    }));
    this.norm = new LayerNorm(init, dim, flamingoEpsilon);
  }

  /** x [B, M, F, T, D] → [B, M, L, D]. Captures `perceiver_attentions.N`. */
  forward(ctx: Context, x: Node): Node {
    const { dim, numLatents } = this.config;
    const [batch, count] = x.shape as [Dim, Dim];
    const tokens = this.placed(x);
    const rows = mulDims(batch, count);
    let latents = broadcastTo(unsqueeze(this.latents, 0), [rows, numLatents, dim]);
    this.layers.forEach(({ attention, feedForward }, at) => {
      latents = add(latents, attention.forward(ctx, tokens, latents, `perceiver_attentions.${at}`));
      latents = add(latents, feedForward.forward(latents));
    });
    return reshape(this.norm.forward(latents), [batch, count, numLatents, dim]);
  }

  /** Tokens of every image with vectors of its frames and of its place among the images, [B·M, F·T, D]. */
  private placed(x: Node): Node {
    const [batch, count, frames, tokens, width] = x.shape as [Dim, Dim, Dim, Dim, Dim];
    const framed = this.frames ? add(x, unsqueeze(slice(this.frames, 0, 0, frames), 1)) : x;
    const joined = reshape(framed, [batch, count, mulDims(frames, tokens), width]);
    const numbered = this.media ? add(joined, slice(this.media, 0, 0, count)) : joined;
    return reshape(numbered, [mulDims(batch, count), mulDims(frames, tokens), width]);
  }
}

/** Ours → OpenFlamingo's names of a feed-forward block. */
export const feedForwardNames = (ours: string, theirs: string): NameMap => ({
  [`${ours}.norm`]: `${theirs}.0`,
  [`${ours}.up`]: `${theirs}.1`,
  [`${ours}.down`]: `${theirs}.3`,
});

/** The same of a resampler; both paths end with a dot or are empty. */
export const perceiverNames = (ours: string, theirs: string): NameMap => ({
  [`${ours}latents`]: `${theirs}latents`,
  [`${ours}frames`]: `${theirs}frame_embs`,
  [`${ours}media`]: `${theirs}media_time_embs`,
  [`${ours}layers.{i}.attention.mediaNorm`]: `${theirs}layers.{i}.0.norm_media`,
  [`${ours}layers.{i}.attention.latentsNorm`]: `${theirs}layers.{i}.0.norm_latents`,
  [`${ours}layers.{i}.attention.query`]: `${theirs}layers.{i}.0.to_q`,
  [`${ours}layers.{i}.attention.keyValue`]: `${theirs}layers.{i}.0.to_kv`,
  [`${ours}layers.{i}.attention.output`]: `${theirs}layers.{i}.0.to_out`,
  ...feedForwardNames(`${ours}layers.{i}.feedForward`, `${theirs}layers.{i}.1`),
  [`${ours}norm`]: `${theirs}norm`,
});
