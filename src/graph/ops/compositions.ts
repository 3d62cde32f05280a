/** Recognises GELU and layer normalisation that are written out in elementary ops, for the ops of those names. */

import { type Node, uniformValue } from "../node.ts";
import { add, div, mul, sub } from "./core.ts";
import { hole, matchForm } from "./form.ts";
import { erf, rsqrt, sqrt, square } from "./math.ts";
import { mean } from "./reduce.ts";

/** The ways in which x Φ(x) is commonly written. */
function geluForms(x: Node): Node[] {
  return [mul(x, Math.SQRT1_2), div(x, Math.SQRT2)].flatMap((scaled) => {
    const doubled = add(erf(scaled), 1);
    return [mul(x, mul(doubled, 0.5)), mul(mul(x, doubled), 0.5), mul(mul(x, 0.5), doubled)];
  });
}

/** The input of which `node` is the exact GELU. */
export function matchGelu(node: Node): { inputs: readonly Node[]; attrs: undefined } | undefined {
  if (node.dtype !== "float32") return undefined;
  const x = hole(node);
  for (const form of geluForms(x)) {
    const inputs = matchForm(form, node, [x]);
    if (inputs) return { inputs, attrs: undefined };
  }
  return undefined;
}

type LayerNormHoles = readonly [x: Node, scale: Node, shift: Node, epsilon: Node];

/** The ways in which layer normalisation is commonly written. */
function layerNormForms([x, scale, shift, epsilon]: LayerNormHoles): Node[] {
  const centred = sub(x, mean(x, -1, true));
  const shifted = add(mean(square(centred), -1, true), epsilon);
  const units = [mul(centred, rsqrt(shifted)), div(centred, sqrt(shifted))];
  return units.map((unit) => add(mul(unit, scale), shift));
}

/** Values [..., D], scale [D] and shift [D], and the ε, of which `node` is the layer normalisation. */
export function matchLayerNorm(
  node: Node,
): { inputs: readonly Node[]; attrs: { readonly epsilon: number } } | undefined {
  if (node.dtype !== "float32" || node.rank < 2) return undefined;
  const row = { dtype: node.dtype, shape: node.shape.slice(-1) };
  const holes = [hole(node), hole(row), hole(row), hole({ dtype: node.dtype, shape: [] })] as const;
  for (const form of layerNormForms(holes)) {
    const [x, scale, shift, epsilon] = matchForm(form, node, holes) ?? [];
    const number = epsilon && uniformValue(epsilon);
    if (number !== undefined) return { inputs: [x!, scale!, shift!], attrs: { epsilon: number } };
  }
  return undefined;
}
