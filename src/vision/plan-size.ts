/** Preprocessing for a model that reads another size than its plan was made for. */

import type { Size } from "./image.ts";
import type { PreprocessPlan } from "./preprocess.ts";
import type { SizeRule } from "./size-rule.ts";

/** The plan that makes pictures of a size; what a centre crop cuts off keeps its share of the picture. */
export function planOfSize(
  { pad: _, resize, crop, ...rest }: PreprocessPlan,
  { width, height }: Size,
): PreprocessPlan {
  const filter = resize?.filter ?? "bilinear";
  if (!crop || !resize) return { ...rest, resize: { rule: { width, height }, filter } };
  const factors = { width: width / crop.width, height: height / crop.height };
  return {
    ...rest,
    resize: { rule: scaled(resize.rule, factors), filter },
    crop: { ...crop, width, height },
  };
}

/** A short side grows by the larger of the factors, so that the crop lies within. */
function scaled(rule: SizeRule, factors: Size): SizeRule {
  if ("width" in rule) {
    const { width, height } = rule;
    return { width: Math.round(width * factors.width), height: Math.round(height * factors.height) };
  }
  return { shortestEdge: Math.round(rule.shortestEdge * Math.max(factors.width, factors.height)) };
}
