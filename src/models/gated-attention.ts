/**
 * What Flamingo puts before the layers of a language model: attention to images and a feed-forward block, both of which
 * add nothing at first. Alayrac et al. 2022, https://arxiv.org/abs/2204.14198
 * B batch, T tokens, M images, L latents of an image, S = M·L, D width of the text, E width of the images, H heads.
 */

import type { Node } from "../graph/node.ts";
import { add, div, mul, sub } from "../graph/ops/core.ts";
import { tanh } from "../graph/ops/math.ts";
import { cast, equal, greaterEqual } from "../graph/ops/select.ts";
import { iota, split } from "../graph/ops/shape.ts";
import { forbidden, joinHeads, keyValuesOf, scaledDotProductAttention, splitHeads } from "../nn/attention.ts";
import type { Context } from "../nn/context.ts";
import type { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import type { NameMap } from "../weights/names.ts";
import { feedForwardNames, flamingoEpsilon, flamingoLinear, NormedFeedForward } from "./perceiver.ts";

export interface GatedAttentionConfig {
  readonly dim: number;
  readonly dimVisual: number;
  readonly dimHead: number;
  readonly heads: number;
  readonly ffMult: number;
  /** Whether a token sees only the last image before it, or all of them. */
  readonly onlyAttendImmediateMedia: boolean;
}

/** The images that a text may look at. */
export interface Media {
  /** [B, S, E], image after image. */
  readonly source: Node;
  /** Latents of one image. */
  readonly latents: number;
  /** Number of images before or at each token, floats [B, 1, T, 1]. */
  readonly seen: Node;
  /** [B, 1, 1, S]: very negative where rows with fewer images are filled up. */
  readonly bias?: Node | undefined;
}

class MediaAttention {
  readonly norm: LayerNorm;
  readonly query: Linear;
  readonly keyValue: Linear;
  readonly output: Linear;

  constructor(
    init: Init,
    private readonly config: GatedAttentionConfig,
  ) {
    const { dim, dimVisual, heads, dimHead } = config;
    const inner = heads * dimHead;
    this.norm = new LayerNorm(init, dim, flamingoEpsilon);
    this.query = flamingoLinear(init, dim, inner);
    this.keyValue = flamingoLinear(init, dimVisual, 2 * inner);
    this.output = flamingoLinear(init, inner, dim);
  }

  /** x [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node, { source, latents, seen, bias }: Media, name: string): Node {
    const { heads, dimHead, onlyAttendImmediateMedia } = this.config;
    const query = splitHeads(this.query.forward(this.norm.forward(x)), heads);
    const inner = heads * dimHead;
    const [key, value] = split(this.keyValue.forward(source), -1, [inner, inner]).map((part) =>
      splitHeads(part, heads),
    ) as [Node, Node];
    const parts = keyValuesOf(ctx, { key, value }, name, true);
    const numbers = add(div(iota(parts[0]!.key.shape[2]!), latents), 1); // of each latent's image, from 1
    const compare = onlyAttendImmediateMedia ? equal : greaterEqual;
    const isSeen = compare(seen, cast(numbers, seen.dtype));
    const unseen = mul(sub(1, cast(isSeen, x.dtype)), forbidden(x.dtype));
    const options = { bias: bias ? add(unseen, bias) : unseen, captureAs: `media_attentions.${name}` };
    const attended = scaledDotProductAttention(ctx, query, parts, options);
    // Text before the first image is given nothing where it may look at the last image only.
    const hasImage = cast(greaterEqual(seen, 1), x.dtype);
    return this.output.forward(joinHeads(onlyAttendImmediateMedia ? mul(attended, hasImage) : attended));
  }
}

/** The block; its gates begin closed, at tanh 0. */
export class GatedCrossAttention {
  readonly attention: MediaAttention;
  readonly attentionGate: Node;
  readonly feedForward: NormedFeedForward;
  readonly feedForwardGate: Node;

  constructor(init: Init, config: GatedAttentionConfig) {
    this.attention = new MediaAttention(init, config);
    this.attentionGate = init.zeros([1]);
    this.feedForward = new NormedFeedForward(init, config.dim, config.ffMult);
    this.feedForwardGate = init.zeros([1]);
  }

  /** x [B, T, D] → [B, T, D]. `name` of its keys and values in a decoder's cache. */
  forward(ctx: Context, x: Node, media: Media, name: string): Node {
    const attended = this.attention.forward(ctx, x, media, name);
    const hidden = add(x, mul(attended, tanh(this.attentionGate)));
    return add(hidden, mul(this.feedForward.forward(hidden), tanh(this.feedForwardGate)));
  }
}

/** Ours → OpenFlamingo's; both paths end with a dot or are empty. */
export const gatedAttentionNames = (ours: string, theirs: string): NameMap => ({
  [`${ours}attention.norm`]: `${theirs}attn.norm`,
  [`${ours}attention.query`]: `${theirs}attn.to_q`,
  [`${ours}attention.keyValue`]: `${theirs}attn.to_kv`,
  [`${ours}attention.output`]: `${theirs}attn.to_out`,
  [`${ours}attentionGate`]: `${theirs}attn_gate`,
  ...feedForwardNames(`${ours}feedForward`, `${theirs}ff`),
  [`${ours}feedForwardGate`]: `${theirs}ff_gate`,
});
