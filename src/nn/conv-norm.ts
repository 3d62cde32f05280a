import type { Node } from "../graph/node.ts";
import { type ActivationName, activations } from "../graph/ops/activation.ts";
import { BatchNorm } from "./batch-norm.ts";
import type { Context } from "./context.ts";
import { Conv2d, type Conv2dOptions } from "./conv.ts";
import type { Init } from "./module.ts";

/** A convolution without bias, batch norm, and an activation where one is named. */
export class ConvNorm {
  readonly convolution: Conv2d;
  readonly normalization: BatchNorm;

  constructor(
    init: Init,
    inChannels: number,
    outChannels: number,
    kernel: number,
    private readonly options: Conv2dOptions & { readonly activation?: ActivationName } = {},
  ) {
    const { activation: _, ...convolution } = options;
    this.convolution = new Conv2d(init, inChannels, outChannels, kernel, { ...convolution, hasBias: false });
    this.normalization = new BatchNorm(init, outChannels);
  }

  /** x [B, C, H, W] → [B, O, H', W']. */
  forward(ctx: Context, x: Node): Node {
    const y = this.normalization.forward(ctx, this.convolution.forward(x));
    return this.options.activation ? activations[this.options.activation](y) : y;
  }
}
