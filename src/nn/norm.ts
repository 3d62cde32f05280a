import type { Node } from "../graph/node.ts";
import { layerNorm, rmsNorm } from "../graph/ops/norm.ts";
import type { Init } from "./module.ts";

/** Normalises the last axis, then scales and shifts it. Ba et al. 2016, https://arxiv.org/abs/1607.06450 */
export class LayerNorm {
  readonly weight: Node;
  readonly bias: Node;

  constructor(
    init: Init,
    size: number,
    private readonly epsilon: number,
  ) {
    this.weight = init.ones([size]);
    this.bias = init.zeros([size]);
  }

  /** x [..., D] → [..., D]. */
  forward(x: Node): Node {
    return layerNorm(x, this.weight, this.bias, this.epsilon);
  }
}

/** Divides the last axis by its root mean square, then scales it. Zhang & Sennrich 2019, https://arxiv.org/abs/1910.07467 */
export class RmsNorm {
  readonly weight: Node;

  constructor(
    init: Init,
    size: number,
    private readonly epsilon: number,
  ) {
    this.weight = init.ones([size]);
  }

  /** x [..., D] → [..., D]. */
  forward(x: Node): Node {
    return rmsNorm(x, this.weight, this.epsilon);
  }
}
