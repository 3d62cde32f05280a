/**
 * Position encodings as interchangeable parts of an encoder or a decoder.
 * B rows (1 where all are alike), T new tokens, S keys, D hidden size, K size of a head.
 */

import type { Node } from "../graph/node.ts";
import { gather } from "../graph/ops/indexing.ts";
import type { Init } from "../nn/module.ts";
import { LearnedPositions, type SinusoidLayout, sinusoids } from "../nn/positions.ts";
import { type RotaryLayout, rotaryPositions } from "../nn/positions-rotary.ts";
import { RelativeKeysAndValues } from "../nn/positions-shaw.ts";
import { RelativeBias } from "../nn/t5-bias.ts";
import type { AttendOptions } from "./transformer-layers.ts";

/** Where the tokens of one pass stand. */
export interface Places {
  /** int64 [B, T], from 0. */
  readonly positions: Node;
  /** int64 [B, T, S]: place of each key less that of the query. */
  readonly distances: Node;
}

export interface PositionPart {
  /** [B, T, D], added to the embedded tokens. */
  embed?(places: Places): Node;
  /** What every self-attention of the stack gets. */
  attend?(places: Places): Pick<AttendOptions, "positions" | "bias">;
}

/** What a part needs to know of its stack. */
export interface PositionSetup {
  readonly init: Init;
  readonly hiddenSize: number;
  readonly headSize: number;
  readonly numHeads: number;
  /** Most positions of learned vectors and sinusoidal tables. */
  readonly maxLength: number;
  /** Whether tokens see those after them. */
  readonly isEncoder: boolean;
}

class Learned implements PositionPart {
  readonly table: LearnedPositions;

  constructor({ init, maxLength, hiddenSize }: PositionSetup) {
    this.table = new LearnedPositions(init, maxLength, hiddenSize);
  }

  embed({ positions }: Places): Node {
    return this.table.at(positions);
  }
}

const sinusoidal =
  (layout: SinusoidLayout) =>
  ({ init, maxLength, hiddenSize }: PositionSetup): PositionPart => {
    const table = sinusoids(maxLength, hiddenSize, layout, init.dtype);
    return { embed: ({ positions }) => gather(table, positions) };
  };

const rotary =
  (layout: RotaryLayout) =>
  ({ headSize }: PositionSetup): PositionPart => ({
    attend: ({ positions }) => ({
      positions: rotaryPositions(positions.shape[1]!, headSize, { layout, positions }),
    }),
  });

/** Distances beyond this share a vector; the paper's base model. Shaw et al. 2018, section 4.1. */
const farthestDistance = 16;

class Relative implements PositionPart {
  readonly table: RelativeKeysAndValues;

  constructor({ init, headSize }: PositionSetup) {
    this.table = new RelativeKeysAndValues(init, headSize, farthestDistance);
  }

  attend({ distances }: Places): Pick<AttendOptions, "positions"> {
    return { positions: this.table.ofPairs(distances) };
  }
}

class Buckets implements PositionPart {
  readonly table: RelativeBias;

  constructor({ init, numHeads, isEncoder }: PositionSetup) {
    this.table = new RelativeBias(init, numHeads, { bidirectional: isEncoder });
  }

  attend({ distances }: Places): Pick<AttendOptions, "bias"> {
    return { bias: this.table.forward(distances) };
  }
}

/** Ways to encode positions by name; layers of a stack share what is trained. */
export const positionParts = {
  sinusoidal: sinusoidal("interleaved"),
  "sinusoidal-half-split": sinusoidal("half-split"),
  learned: (setup: PositionSetup) => new Learned(setup),
  relative: (setup: PositionSetup) => new Relative(setup),
  "relative-buckets": (setup: PositionSetup) => new Buckets(setup),
  rotary: rotary("interleaved"),
  "rotary-half-rotation": rotary("half-rotation"),
} satisfies Record<string, (setup: PositionSetup) => PositionPart>;

export type PositionName = keyof typeof positionParts;
