import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { split } from "../graph/ops/shape.ts";
import { type AttentionOptions, joinHeads, scaledDotProductAttention, splitHeads } from "./attention.ts";
import type { Context } from "./context.ts";
import { Linear } from "./linear.ts";
import type { Init } from "./module.ts";

/** Self-attention whose queries, keys and values come from one projection, its rows in that order. */
export class JoinedAttention {
  readonly joined: Linear;
  readonly output: Linear;

  /** @throws ConfigError unless `numHeads` divides `hiddenSize`. */
  constructor(
    init: Init,
    private readonly hiddenSize: number,
    private readonly numHeads: number,
  ) {
    if (hiddenSize % numHeads !== 0) {
      throw new ConfigError(`attention: hiddenSize ${hiddenSize} is not a multiple of numHeads ${numHeads}`);
    }
    this.joined = new Linear(init, hiddenSize, 3 * hiddenSize);
    this.output = new Linear(init, hiddenSize, hiddenSize);
  }

  /** x [B, T, D] → [B, T, D]. */
  forward(ctx: Context, x: Node, options: AttentionOptions = {}): Node {
    const parts = split(this.joined.forward(x), -1, new Array(3).fill(this.hiddenSize));
    const [query, key, value] = parts.map((part) => splitHeads(part, this.numHeads)) as [Node, Node, Node];
    return this.output.forward(joinHeads(scaledDotProductAttention(ctx, query, [{ key, value }], options)));
  }
}
