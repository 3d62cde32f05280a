/**
 * Rotary positions: pairs of a query's or key's features are turned by an angle that grows with the position, so that
 * their product depends on the distance alone. Su et al. 2021, https://arxiv.org/abs/2104.09864
 * B batch, H heads, T tokens, K size of a head, W features that turn.
 */

import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { add, dimValue, mul, neg, reshape } from "../graph/ops/core.ts";
import { cos, sin } from "../graph/ops/math.ts";
import { cast } from "../graph/ops/select.ts";
import { concat, iota, slice, unsqueeze } from "../graph/ops/shape.ts";
import type { Dim } from "../tensor/dims.ts";
import type { AttentionPositions } from "./attention.ts";
import { positionAngles } from "./positions.ts";

/** Which features are a pair: 2i and 2i + 1 (the paper, RoFormer), or i and i + W/2 (GPT-NeoX, LLaMA). */
export type RotaryLayout = "interleaved" | "half-rotation";

export interface RotaryOptions {
  readonly layout: RotaryLayout;
  /** Features that turn, even; those after them stay. Default: all of the head. */
  readonly width?: number | undefined;
  /** Pair i turns by position / base^(2i/W). Default 10000. */
  readonly base?: number | undefined;
  /** Position of the first token. Default 0. */
  readonly offset?: Dim | undefined;
  /** Every token's own position instead, int64 [B, T]. */
  readonly positions?: Node | undefined;
  /** Whether values turn as well, as `rotary_value` of RoFormer asks. Default false. */
  readonly turnsValues?: boolean | undefined;
}

/**
 * Rotary positions for T tokens in heads of K features; made once for all layers of a pass.
 * @throws ConfigError unless the width is even and at most K.
 */
export function rotaryPositions(
  length: Dim,
  headSize: number,
  { layout, width = headSize, base, offset = 0, positions, turnsValues = false }: RotaryOptions,
): AttentionPositions {
  if (!Number.isInteger(width) || width < 2 || width % 2 !== 0 || width > headSize) {
    throw new ConfigError(
      `rotary positions: the width must be even and from 2 to ${headSize}, the size of a head, got ${width}`,
    );
  }
  const places = positions ? unsqueeze(positions, 1) : positionsFrom(offset, length);
  const angles = positionAngles(places, width, base);
  const rotate = (x: Node): Node => {
    const turned = turn(slice(x, -1, 0, width), angles, layout);
    return width === headSize ? turned : concat([turned, slice(x, -1, width)], -1);
  };
  return turnsValues ? { rotate, rotateValue: rotate } : { rotate };
}

/** offset, offset + 1, … int64 [T]. */
const positionsFrom = (offset: Dim, length: Dim): Node =>
  offset === 0 ? iota(length) : add(iota(length), dimValue("int64", offset));

/**
 * (a, b) → (a cos − b sin, b cos + a sin) of every pair. x [B, H, T, W], angles [T, W/2] or [B, 1, T, W/2] → [B, H, T, W].
 * Tables have the full width, since broadcasting along a last axis of two is ten times slower in ONNX Runtime.
 */
function turn(x: Node, angles: Node, layout: RotaryLayout): Node {
  const pairAxis = layout === "interleaved" ? -1 : -2;
  const width = angles.shape.at(-1) as number;
  const apart = [...x.shape.slice(0, -1), ...(layout === "interleaved" ? [width, 2] : [2, width])];
  const table = (first: Node, second: Node): Node => {
    const pairs = [first, second].map((node) => unsqueeze(cast(node, x.dtype), pairAxis));
    return reshape(concat(pairs, pairAxis), [...angles.shape.slice(0, -1), 2 * width]);
  };
  const pairs = reshape(x, apart);
  const swapped = concat([slice(pairs, pairAxis, 1, 2), slice(pairs, pairAxis, 0, 1)], pairAxis);
  const [cosines, sines] = [cos(angles), sin(angles)];
  return add(mul(x, table(cosines, cosines)), mul(reshape(swapped, x.shape), table(neg(sines), sines)));
}
