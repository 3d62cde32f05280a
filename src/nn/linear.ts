import type { Node } from "../graph/node.ts";
import { add } from "../graph/ops/core.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { squeeze, unsqueeze } from "../graph/ops/shape.ts";
import type { Init } from "./module.ts";

/** x Wᵀ + b. The weight is stored [out, in], as in published checkpoints. */
export class Linear {
  readonly weight: Node;
  readonly bias: Node | undefined;

  constructor(init: Init, inSize: number, outSize: number, hasBias = true) {
    this.weight = init.normal([outSize, inSize]);
    this.bias = hasBias ? init.zeros([outSize]) : undefined;
  }

  /** x [..., in] → [..., out]. */
  forward(x: Node): Node {
    return linear(x, this.weight, this.bias);
  }
}

/** x Wᵀ + b for x [..., in], weight [out, in], bias [out]. */
export function linear(x: Node, weight: Node, bias?: Node): Node {
  if (x.rank === 1) return squeeze(linear(unsqueeze(x, 0), weight, bias), 0);
  const product = matmul(x, weight, { transB: true });
  return bias ? add(product, bias) : product;
}
