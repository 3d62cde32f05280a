/**
 * A map of Swin as batches of windows, and the biases of attention inside them.
 * B batch, H × W cells, C channels, S side of a window, T = S² cells of a window, N windows.
 */

import { constant, type Node } from "../graph/node.ts";
import { add, reshape, transpose } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import { padAxis, slice } from "../graph/ops/shape.ts";
import { relativePositionIndex, shiftMask, windowPartition, windowReverse } from "../nn/windows.ts";

/** [B, H, W, C] → [B, N, T, C]; S divides H and W. */
export function cutWindows(map: Node, side: number): Node {
  const [batch, height, width, channels] = map.shape;
  const count = ((height as number) / side) * ((width as number) / side);
  return reshape(windowPartition(map, side), [batch!, count, side * side, channels!]);
}

/** [B, N, T, C] → [B, H, W, C]; undoes `cutWindows`. */
export function joinWindows(windows: Node, side: number, size: readonly [number, number]): Node {
  return windowReverse(reshape(windows, [-1, side, side, windows.shape[3]!]), size);
}

/** Zeros at the right and bottom of [B, H, W, C] up to multiples of `side`. */
export const padToMultiple = (map: Node, side: number): Node =>
  [1, 2].reduce((x, axis) => padAxis(x, axis, 0, (side - ((x.shape[axis] as number) % side)) % side), map);

/** The top left part of [B, H', W', C]. */
export const crop = (map: Node, [height, width]: readonly [number, number]): Node =>
  slice(slice(map, 1, 0, height), 2, 0, width);

/**
 * The bias of one block, from a table [(2S − 1)², heads] of positions and, where the map is shifted, its mask.
 * Broadcasts to [B, N, heads, T, T].
 */
export function windowBias(table: Node, side: number, shift: number, size: readonly [number, number]): Node {
  const positions = transpose(gather(table, constant(relativePositionIndex(side))), [2, 0, 1]);
  if (shift === 0) return positions;
  const mask = shiftMask(size, side, shift);
  const [count, cells] = mask.shape as [number, number];
  return add(positions, constant(mask.reshape([count, 1, cells, cells])));
}
