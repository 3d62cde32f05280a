/** Convolution over images. B batch, C channels in, O channels out, H × W pixels. */

import type { Node } from "../graph/node.ts";
import { type ConvOptions, conv } from "../graph/ops/conv.ts";
import { add } from "../graph/ops/core.ts";
import { perChannel } from "../graph/ops/norm.ts";
import type { Init } from "./module.ts";

export interface Conv2dOptions extends ConvOptions {
  /** Default true. */
  readonly hasBias?: boolean;
}

export class Conv2d {
  readonly weight: Node;
  readonly bias: Node | undefined;

  constructor(
    init: Init,
    inChannels: number,
    outChannels: number,
    kernel: number | readonly [number, number],
    private readonly options: Conv2dOptions = {},
  ) {
    const { groups = 1, hasBias = true } = options;
    const sizes = typeof kernel === "number" ? [kernel, kernel] : kernel;
    this.weight = init.normal([outChannels, inChannels / groups, ...sizes]);
    this.bias = hasBias ? init.zeros([outChannels]) : undefined;
  }

  /** x [B, C, H, W] → [B, O, H', W']; H and W are numbers. */
  forward(x: Node): Node {
    const { hasBias: _, ...options } = this.options;
    const y = conv(x, this.weight, options);
    return this.bias ? add(y, perChannel(this.bias, y)) : y;
  }
}
