/**
 * Linear-chain conditional random field: the probability of a whole sequence of tags.
 * Lafferty et al. 2001; on top of a network Huang et al. 2015, https://arxiv.org/abs/1508.01991
 * B batch, T positions, C tags.
 *
 *   score(y) = start[y₁] + Σ emission[t, yₜ] + Σ transition[yₜ₋₁, yₜ] + end[yₙ],   log P(y) = score(y) − log Σ e^score
 */

import { ShapeError } from "../errors.ts";
import { constant, type Node } from "../graph/node.ts";
import { add, broadcastTo, div, mul, reshape, sub, sum, transpose } from "../graph/ops/core.ts";
import { gather, takeAlong, topK } from "../graph/ops/indexing.ts";
import { exp, log, maximum } from "../graph/ops/math.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { max } from "../graph/ops/reduce.ts";
import { cast, equal, less, where } from "../graph/ops/select.ts";
import { concat, iota, slice, squeeze, unsqueeze } from "../graph/ops/shape.ts";
import { unstack } from "../graph/ops/unstack.ts";
import { showShape } from "../tensor/dims.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Init } from "./module.ts";

/** Which tags may begin, follow each other and end. */
export interface TagRules {
  /** `transitions[i][j]`: j may follow i. */
  readonly transitions: readonly (readonly boolean[])[];
  readonly start: readonly boolean[];
  readonly end: readonly boolean[];
}

/** Score of what the rules forbid. */
export const forbiddenScore = -1e4;

/**
 * Scores further below the best one than this count as this far, so that the forward algorithm, which runs in
 * probabilities, never has to divide by zero: e⁻⁸⁰ is 1e-35.
 */
const lowest = -80;

export interface ChainInputs {
  /** [B, T, C]. T must be a number, since the chain is unrolled. */
  readonly emissions: Node;
  /** [B, T], 1 at positions that belong to the chain, which may lie anywhere; default all. */
  readonly mask?: Node | undefined;
}

/** A batch whose positions of the chain come first in every row. */
interface Chains {
  readonly emissions: Node; // [B, T, C]
  readonly tags: Node | undefined; // int64 [B, T]
  readonly counts: Node; // int64 [B, 1]: positions of each chain
  readonly isLive: Node; // [B, T], 1 for the first `counts` positions
}

export class Crf {
  /** [C, C]: from, to. */
  readonly transitions: Node;
  readonly start: Node;
  readonly end: Node;

  constructor(
    init: Init,
    numTags: number,
    private readonly rules?: TagRules,
  ) {
    const bound = 0.1;
    this.transitions = init.uniform([numTags, numTags], bound);
    this.start = init.uniform([numTags], bound);
    this.end = init.uniform([numTags], bound);
  }

  /**
   * log P(tags), [B]; 0 for a row without positions. A given path that breaks the rules has its score without their
   * penalty, so that a slip in the data does not drown the rest. tags int64 [B, T], anything where the mask is 0.
   */
  logLikelihood(inputs: ChainInputs, tags: Node): Node {
    const chains = chainsOf(inputs, tags);
    return sub(this.pathScore(chains), this.partition(chains));
  }

  /** log of the sum of e^score over all sequences, [B]. Its gradient by the emissions are the tags' marginals. */
  logPartition(inputs: ChainInputs): Node {
    return this.partition(chainsOf(inputs));
  }

  /** What a decoder needs: transitions, start and end under the rules, [C + 2, C]. */
  scores(): Node {
    const { transitions, start, end } = this.ruled();
    return concat([transitions, unsqueeze(start, 0), unsqueeze(end, 0)], 0);
  }

  private ruled(): { transitions: Node; start: Node; end: Node } {
    const { transitions, start, end, rules } = this;
    if (!rules) return { transitions, start, end };
    const numTags = rules.start.length;
    return {
      transitions: forbid(transitions, rules.transitions.flat(), [numTags, numTags]),
      start: forbid(start, rules.start, [numTags]),
      end: forbid(end, rules.end, [numTags]),
    };
  }

  /** Score of the given path, [B]. */
  private pathScore({ emissions, tags, counts, isLive }: Chains): Node {
    const [, length, numTags] = emissions.shape as [Node["shape"][0], number, number];
    const emitted = mul(squeeze(takeAlong(emissions, unsqueeze(tags!, -1)), -1), isLive);
    const first = slice(tags!, 1, 0, 1);
    const last = takeAlong(tags!, maximum(sub(counts, 1), 0));
    const ends = mul(add(gather(this.start, first), gather(this.end, last)), slice(isLive, 1, 0, 1));
    const score = add(sum(emitted, 1), squeeze(ends, 1));
    if (length === 1) return score;
    const pairs = add(mul(slice(tags!, 1, 0, -1), numTags), slice(tags!, 1, 1));
    const moved = mul(
      gather(reshape(this.transitions, [numTags * numTags]), pairs),
      slice(isLive, 1, 1, length),
    );
    return add(score, sum(moved, 1));
  }

  /**
   * The forward algorithm, [B]. At every position the probabilities u of the last tag are scaled to add up to 1, and the
   * logarithms of the scales add up to the result.
   */
  private partition({ emissions, counts, isLive }: Chains): Node {
    const { transitions, start, end } = this.ruled();
    const [step, first, final] = [scaled(transitions), scaled(start), scaled(end)];
    const emitted = scaled(transpose(emissions, [1, 0, 2]), -1); // [T, B, C]
    const scales: Node[] = [];
    const states: Node[] = [];
    for (const emission of unstack(emitted.weights, 0)) {
      const before = states.at(-1);
      const next = mul(before ? matmul(before, step.weights) : first.weights, emission);
      const scale = sum(next, -1, true);
      scales.push(scale);
      states.push(div(next, scale));
    }
    const live = transpose(isLive); // [T, B]
    const logScales = squeeze(add(log(concat(scales, 0)), emitted.peak), -1);
    const ending = squeeze(log(matmul(concat(states, 0), unsqueeze(final.weights, -1))), -1);
    const isLast = cast(
      equal(unsqueeze(iota(emissions.shape[1]!), 1), sub(transpose(counts), 1)),
      ending.dtype,
    );
    const total = sum(add(mul(logScales, live), mul(ending, isLast)), 0);
    // What was taken off the transitions comes back once a step, what was off start and end once.
    const steps = mul(sub(sum(live, 0), sum(isLast, 0)), step.peak);
    return add(total, add(steps, mul(sum(isLast, 0), add(first.peak, final.peak))));
  }
}

/** e^(x − peak), with x at least `lowest` above the peak's negative; over one axis or over all of x. */
function scaled(x: Node, axis?: number): { weights: Node; peak: Node } {
  const peak = max(x, axis, axis !== undefined);
  return { weights: exp(maximum(sub(x, peak), lowest)), peak };
}

function forbid(scores: Node, isAllowed: readonly boolean[], shape: readonly number[]): Node {
  return where(constant(Tensor.from("bool", shape, isAllowed.map(Number))), scores, forbiddenScore);
}

/** Moves the positions of each chain to the front of its row. @throws ShapeError for a length that is not a number. */
function chainsOf({ emissions, mask }: ChainInputs, tags?: Node): Chains {
  const [batch, length] = emissions.shape;
  if (typeof length !== "number") {
    throw new ShapeError(`CRF: emissions ${showShape(emissions.shape)} must have a length that is a number`);
  }
  if (!mask) {
    const counts = broadcastTo(constant(Tensor.from("int64", [1, 1], [length])), [batch!, 1]);
    return { emissions, tags, counts, isLive: liveOf(counts, length, emissions) };
  }
  const isOn = cast(mask, "int64");
  const counts = sum(isOn, 1, true);
  // Positions in the order of falling keys: those that are on first, each group from left to right.
  const keys = sub(mul(isOn, 2 * length), iota(length));
  const order = topK(cast(keys, emissions.dtype), length).indices;
  const inEveryTag = broadcastTo(unsqueeze(order, -1), emissions.shape);
  return {
    emissions: takeAlong(emissions, inEveryTag, 1),
    tags: tags && takeAlong(where(equal(isOn, 1), tags, 0), order),
    counts,
    isLive: liveOf(counts, length, emissions),
  };
}

const liveOf = (counts: Node, length: number, { dtype }: Node): Node =>
  cast(less(unsqueeze(iota(length), 0), counts), dtype);
