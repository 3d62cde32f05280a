/** How large a picture becomes, from its own size. */

import { ConfigError } from "../errors.ts";
import type { Size } from "./image.ts";

/** An exact size, or the size of the short side with perhaps a bound for the long one. */
export type SizeRule = Size | { readonly shortestEdge: number; readonly longestEdge?: number };

/**
 * The size after resizing; the long side is rounded down, as Hugging Face and torchvision do.
 * @throws ConfigError when a side would vanish, or grow beyond 65,535.
 */
export function sizeAfter(rule: SizeRule, { width, height }: Size): Size {
  if ("width" in rule) return rule;
  const short = Math.min(width, height);
  const long = Math.max(width, height);
  let newShort = rule.shortestEdge;
  let newLong = Math.trunc((newShort * long) / short);
  if (rule.longestEdge !== undefined && newLong > rule.longestEdge) {
    newShort = Math.trunc((rule.longestEdge * newShort) / newLong);
    newLong = rule.longestEdge;
  }
  if (newShort < 1 || newLong > 65_535) {
    throw new ConfigError(
      `resize: an image of ${width} × ${height} is too narrow, it would become ${newShort} × ${newLong}; cut it first`,
    );
  }
  return width <= height ? { width: newShort, height: newLong } : { width: newLong, height: newShort };
}
