/** What a forward pass knows beside its inputs: whether it trains, its random numbers, and which values to keep. */

import type { Node } from "../graph/node.ts";
import { mul, neg, ones, sub } from "../graph/ops/core.ts";
import { log } from "../graph/ops/math.ts";
import { deriveKeyNode, dropout, uniformLike } from "../graph/ops/random.ts";
import { argMax } from "../graph/ops/reduce.ts";
import type { StepCache } from "./decoder-cache.ts";

export class Context {
  /** Values a caller may ask for as extra outputs, by name: `hidden_states.0`, `attentions.3`, … */
  readonly captured = new Map<string, Node>();
  /** New values of state that is kept with the weights but not trained, such as running statistics. */
  readonly updates = new Map<Node, Node>();
  private sites = 0;

  private constructor(
    private readonly seed: Node | undefined,
    /** Where attention keeps keys and values, in a pass that is one step of decoding. */
    readonly cache?: StepCache,
  ) {}

  /** Inference: dropout is off. */
  static inference(): Context {
    return new Context(undefined);
  }

  /** One step of decoding. */
  static decoding(cache: StepCache): Context {
    return new Context(undefined, cache);
  }

  /** Training; `seed` is a uint32 scalar fed anew at every step. */
  static training(seed: Node): Context {
    return new Context(seed);
  }

  get isTraining(): boolean {
    return this.seed !== undefined;
  }

  /** Dropout in training, x itself in inference. Every call draws its own numbers. */
  dropout(x: Node, rate: number): Node {
    if (!this.seed || rate === 0) return x;
    return dropout(x, deriveKeyNode(this.seed, this.sites++), rate);
  }

  /**
   * Stochastic depth: in training, drops whole rows [B, ...] of a branch. Huang et al. 2016,
   * https://arxiv.org/abs/1603.09382
   */
  dropPath(x: Node, rate: number): Node {
    if (!this.isTraining || rate === 0) return x;
    const rows = ones(x.dtype, [x.shape[0]!, ...x.shape.slice(1).map(() => 1)]);
    return mul(x, this.dropout(rows, rate));
  }

  /**
   * A column for each row of weights [N, C], drawn in proportion to them in training (the Gumbel-max trick, Maddison et
   * al. 2014, https://arxiv.org/abs/1411.0030), the heaviest in inference; int64 [N].
   */
  draw(weights: Node): Node {
    if (!this.seed) return argMax(weights);
    const uniform = uniformLike(weights, deriveKeyNode(this.seed, this.sites++));
    return argMax(sub(log(weights), log(neg(log(uniform)))));
  }

  /** Keeps a value under a name and returns it. */
  capture(name: string, node: Node): Node {
    this.captured.set(name, node);
    return node;
  }
}
