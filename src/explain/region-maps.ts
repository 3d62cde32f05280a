/** What words look at in a picture, as maps over its patches. S tokens of a picture: the class token and the patches. */

import { RequestError } from "../errors.ts";
import type { Size } from "../vision/image.ts";
import type { TokenLooks } from "./cross-attention.ts";
import { gridOf, type ImageMap } from "./image-maps.ts";

/** Where a word looks, by layer: shares of the patches, less what the class token gets. */
export interface RegionMaps {
  /** Cross-attention, mean of the heads. */
  readonly attention: readonly ImageMap[];
  /** The same times the gradient of the score where that is positive. */
  readonly weighted: readonly ImageMap[];
}

/** The mean over some tokens of what each looks at. */
export function regionMaps(looks: readonly TokenLooks[], size: Size): RegionMaps {
  const mapsOf = (kind: keyof TokenLooks): ImageMap[] =>
    looks[0]![kind].map((_, layer) =>
      patchMap(`Layer ${layer + 1}`, meanOf(looks.map((token) => token[kind][layer]!)), size),
    );
  return { attention: mapsOf("attention"), weighted: mapsOf("weighted") };
}

/** Values of S tokens as a map of the patches. */
function patchMap(title: string, values: readonly number[], size: Size): ImageMap {
  const { special, rows, columns } = gridOf(values.length, size)!;
  return { title, rows, columns, values: values.slice(special) };
}

/** One layer, from 1, or the mean of all. @throws RequestError for a layer that is not there. */
export function mapOfLayer(maps: readonly ImageMap[], layer: number | undefined): ImageMap {
  if (layer === undefined)
    return { ...maps[0]!, title: "All layers", values: meanOf(maps.map(({ values }) => values)) };
  const chosen = maps[layer - 1];
  if (chosen) return chosen;
  throw new RequestError(`explain: the layer must be one of 1 to ${maps.length}, got ${layer}`);
}

/** Values of pixels added up over the patches, `tokens` S. */
export function patchSums(pixels: readonly number[], tokens: number, size: Size): ImageMap {
  const { rows, columns } = gridOf(tokens, size)!;
  const values = new Array<number>(rows * columns).fill(0);
  for (const [at, value] of pixels.entries()) values[cellAt(at, { rows, columns }, size)]! += value;
  return { title: "Patches", rows, columns, values };
}

/** Each pixel with the value of its patch. */
export const patchPixels = (map: ImageMap, size: Size): number[] =>
  Array.from({ length: size.width * size.height }, (_, at) => map.values[cellAt(at, map, size)]!);

/** The patch that a pixel lies in, both counted row by row. */
function cellAt(
  pixel: number,
  { rows, columns }: Pick<ImageMap, "rows" | "columns">,
  { width, height }: Size,
): number {
  const [x, y] = [pixel % width, Math.floor(pixel / width)];
  return Math.floor((y * rows) / height) * columns + Math.floor((x * columns) / width);
}

/** The mean of rows of one length. */
const meanOf = (rows: readonly (readonly number[])[]): number[] =>
  rows[0]!.map((_, at) => rows.reduce((sum, row) => sum + row[at]!, 0) / rows.length);
