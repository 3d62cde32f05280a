import type { Node } from "../graph/node.ts";
import { add, sub } from "../graph/ops/core.ts";
import { clip, stopGradient } from "../graph/ops/math.ts";
import type { Context } from "./context.ts";

/**
 * A trained number kept between bounds: it is moved back between them before it is used, wherever the last update left
 * it, so that its gradient never vanishes outside.
 */
export function clamped(ctx: Context, parameter: Node, low: number, high: number): Node {
  const value = clip(parameter, low, high);
  ctx.updates.set(parameter, value);
  return add(parameter, stopGradient(sub(value, parameter)));
}
