import type { Node } from "../graph/node.ts";
import { type ActivationName, activations } from "../graph/ops/activation.ts";
import { Linear } from "./linear.ts";
import type { Init } from "./module.ts";

/** Two linear layers with an activation between, applied at every position. */
export class FeedForward {
  readonly up: Linear;
  readonly down: Linear;

  constructor(
    init: Init,
    size: number,
    innerSize: number,
    private readonly activation: ActivationName,
  ) {
    this.up = new Linear(init, size, innerSize);
    this.down = new Linear(init, innerSize, size);
  }

  /** x [..., D] → [..., D]. */
  forward(x: Node): Node {
    return this.down.forward(activations[this.activation](this.up.forward(x)));
  }
}
