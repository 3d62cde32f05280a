/** Batch normalisation. Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167 */

import type { Node } from "../graph/node.ts";
import { add, dimValue, div, mul, sub } from "../graph/ops/core.ts";
import { maximum } from "../graph/ops/math.ts";
import { batchNorm, channelMoments } from "../graph/ops/norm.ts";
import { productOf } from "../tensor/dims.ts";
import type { Context } from "./context.ts";
import type { Init } from "./module.ts";

export interface BatchNormOptions {
  readonly epsilon?: number;
  /** Share of a batch's statistics in the running ones; default 0.1. */
  readonly momentum?: number;
  /** Whether scale and shift are trained; default true. */
  readonly isAffine?: boolean;
}

/** Normalises each channel: in training with the batch's statistics, else with running ones. */
export class BatchNorm {
  readonly weight: Node | undefined;
  readonly bias: Node | undefined;
  readonly runningMean: Node;
  readonly runningVariance: Node;
  readonly batches: Node;

  constructor(
    init: Init,
    channels: number,
    private readonly options: BatchNormOptions = {},
  ) {
    const { isAffine = true } = options;
    this.weight = isAffine ? init.ones([channels]) : undefined;
    this.bias = isAffine ? init.zeros([channels]) : undefined;
    this.runningMean = init.state([channels], 0);
    this.runningVariance = init.state([channels], 1);
    this.batches = init.counter();
  }

  /** x [B, C, ...] → the same shape. */
  forward(ctx: Context, x: Node): Node {
    const { epsilon = 1e-5 } = this.options;
    const statistics = ctx.isTraining ? this.ofBatch(ctx, x) : this.running;
    return batchNorm(x, statistics, this.weight, this.bias, epsilon);
  }

  private get running(): { mean: Node; variance: Node } {
    return { mean: this.runningMean, variance: this.runningVariance };
  }

  /** The batch's mean and variance; running values move towards them, the variance without bias. */
  private ofBatch(ctx: Context, x: Node): { mean: Node; variance: Node } {
    const { momentum = 0.1 } = this.options;
    const { mean, variance } = channelMoments(x);
    const count = dimValue(x.dtype, productOf(x.shape.toSpliced(1, 1)));
    const unbiased = mul(variance, div(count, maximum(sub(count, 1), 1)));
    const moved = (old: Node, value: Node): Node => add(mul(old, 1 - momentum), mul(value, momentum));
    ctx.updates.set(this.runningMean, moved(this.runningMean, mean));
    ctx.updates.set(this.runningVariance, moved(this.runningVariance, unbiased));
    ctx.updates.set(this.batches, add(this.batches, 1));
    return { mean, variance };
  }
}

/** Ours → published names, below a batch norm. */
export const batchNormNames = {
  runningMean: "running_mean",
  runningVariance: "running_var",
  batches: "num_batches_tracked",
} as const;
