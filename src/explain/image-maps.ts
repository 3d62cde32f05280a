/**
 * Attention of a model that reads pictures, as maps over the picture. H heads, T tokens: S special ones, then R × C patches
 * row by row; in Swin, W windows of T cells.
 */

import type { Tensor } from "../tensor/tensor.ts";
import type { Size } from "../vision/image.ts";
import { type AttentionMap, attentionMaps, rollout } from "./attention.ts";
import { attentionOf } from "./graphs.ts";

/** Values over the cells of a picture, row by row. */
export interface ImageMap {
  readonly title: string;
  readonly rows: number;
  readonly columns: number;
  readonly values: readonly number[];
  /** Cells at whose left and at whose top a window of attention begins; values of two windows do not compare. */
  readonly windows?: { readonly rows: readonly number[]; readonly columns: readonly number[] } | undefined;
}

/** Where patches lie among the tokens. */
interface Grid {
  readonly special: number;
  readonly rows: number;
  readonly columns: number;
}

/** The grid that fills T tokens, but for at most two, and has the picture's proportions; undefined where none does. */
export function gridOf(tokens: number, { width, height }: Size): Grid | undefined {
  for (const special of [1, 2, 0]) {
    const rows = Math.sqrt(((tokens - special) * height) / width);
    const columns = (tokens - special) / rows;
    if (rows >= 1 && Number.isInteger(rows) && Number.isInteger(columns)) return { special, rows, columns };
  }
  return undefined;
}

export interface TokenMaps {
  /** Mean over the heads of each layer. */
  readonly layers: readonly ImageMap[];
  readonly rollout: ImageMap;
}

/**
 * What the positions that an answer is read from attend to, by layer and by rollout; undefined where attention is not
 * among all patches of the picture.
 * @param reading share of each of the T positions; default: the class token, without one all alike
 */
export function tokenMaps(
  outputs: Readonly<Record<string, Tensor>>,
  size: Size,
  reading?: readonly number[],
): TokenMaps | undefined {
  const maps = attentionMaps(outputs).filter(({ stack }) => stack === "");
  const tokens = maps[0]?.probabilities.shape[1];
  const grid = tokens === undefined ? undefined : gridOf(tokens, size);
  const isWhole = Object.entries(outputs).every(([name, { shape }]) => !attentionOf(name) || shape[0] === 1);
  const isSquare = maps.every(({ probabilities: { shape } }) => shape[1] === tokens && shape[2] === tokens);
  if (tokens === undefined || !grid || !isWhole || !isSquare) return undefined;
  const shares = reading ?? usualReading(tokens, grid.special);
  const mapOf = (title: string, rows: readonly number[]): ImageMap => ({
    title,
    rows: grid.rows,
    columns: grid.columns,
    values: weightedRows(rows, tokens, shares).slice(grid.special),
  });
  return {
    layers: maps.map((map) => mapOf(`Layer ${map.layer + 1}`, meanOfHeads(map))),
    rollout: mapOf("Rollout", rollout(maps, tokens).toNumbers()),
  };
}

const usualReading = (tokens: number, special: number): number[] =>
  Array.from({ length: tokens }, (_, at) => (special === 0 ? 1 / tokens : Number(at === 0)));

/** [H, T, T] → [T, T]. */
function meanOfHeads({ probabilities: { shape, data } }: AttentionMap): number[] {
  const [heads, rows, columns] = shape as [number, number, number];
  const mean = new Array<number>(rows * columns).fill(0);
  for (let at = 0; at < data.length; at++) mean[at % mean.length]! += Number(data[at]) / heads;
  return mean;
}

/** Σ share · row of [T, T]. */
function weightedRows(rows: readonly number[], tokens: number, shares: readonly number[]): number[] {
  return Array.from({ length: tokens }, (_, column) =>
    shares.reduce((sum, share, row) => (share === 0 ? sum : sum + share * rows[row * tokens + column]!), 0),
  );
}

/** `attentions.1.0`: stage 1, block 0. */
const windowPattern = /^attentions\.(\d+)\.(\d+)$/;

/**
 * How much each cell is attended to within its window, by block; 1 is as much as the others. Attention ends at the edges
 * of a window, so it is not carried from block to block: there is no rollout.
 * @param patch height and width of a patch in pixels
 */
export function windowMaps(
  outputs: Readonly<Record<string, Tensor>>,
  size: Size,
  patch: readonly [number, number],
): ImageMap[] {
  const blocks = Object.entries(outputs).flatMap(([name, attention]) => {
    const [, stage, block] = windowPattern.exec(name) ?? [];
    return stage === undefined ? [] : [{ stage: Number(stage), block: Number(block), attention }];
  });
  blocks.sort((a, b) => a.stage - b.stage || a.block - b.block);
  return blocks.map(({ stage, block, attention }) => {
    const grid = [size.height / patch[0], size.width / patch[1]].map((length) => stageLength(length, stage));
    const side = Math.sqrt(attention.shape[2]!);
    const shift = block % 2 === 1 && Math.min(...grid) > side ? Math.floor(side / 2) : 0;
    return windowMap(
      `Stage ${stage + 1}, block ${block + 1}`,
      attention,
      grid as [number, number],
      side,
      shift,
    );
  });
}

/** Every stage but the first has half the cells of the one before it along each axis, rounded up. */
function stageLength(length: number, stage: number): number {
  let cells = Math.ceil(length);
  for (let at = 0; at < stage; at++) cells = Math.ceil(cells / 2);
  return cells;
}

/** attention [W, H, T, T] of windows over a padded map that is shifted to the upper left. */
function windowMap(
  title: string,
  { shape, data }: Tensor,
  [rows, columns]: readonly [number, number],
  side: number,
  shift: number,
): ImageMap {
  const [, heads, cells] = shape as [number, number, number];
  const across = Math.ceil(columns / side);
  const padded = [Math.ceil(rows / side) * side, across * side] as const;
  const values = Array.from({ length: rows * columns }, (_, at) => {
    const row = (Math.floor(at / columns) - shift + padded[0]) % padded[0];
    const column = ((at % columns) - shift + padded[1]) % padded[1];
    const window = Math.floor(row / side) * across + Math.floor(column / side);
    const cell = (row % side) * side + (column % side);
    let received = 0; // of all cells of the window, which give 1 each
    for (let from = 0; from < heads * cells; from++)
      received += Number(data[(window * heads * cells + from) * cells + cell]);
    return received / heads;
  });
  const edges = (length: number): number[] =>
    Array.from({ length: length - 1 }, (_, at) => at + 1).filter((at) => (at - shift) % side === 0);
  return { title, rows, columns, values, windows: { rows: edges(rows), columns: edges(columns) } };
}
