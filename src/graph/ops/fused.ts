/**
 * Fused elementwise and normalisation ops of ONNX Runtime, with the plain forms they replace.
 * `bench/fused-ops.ts` measures each; `fusions.ts` says where they are used.
 */

import { type Node, type Operand, uniformValue } from "../node.ts";
import { gelu, geluTanh } from "./activation.ts";
import { add, mul } from "./core.ts";
import { defineFused, hole, matchForm } from "./form.ts";
import { rsqrt, sigmoid, square } from "./math.ts";
import { layerNorm } from "./norm.ts";
import { mean } from "./reduce.ts";

const contrib = { domain: "com.microsoft" } as const;

/** The tanh approximation of GELU. */
export const fusedGeluTanh = defineFused("fusedGeluTanh", {
  form: ([x]) => geluTanh(x!),
  lower: (onnx, [x]) => onnx.node("Gelu", [x!], { approximate: "tanh" }),
  match: (node) => {
    const x = hole(node);
    const inputs = matchForm(geluTanh(x), node, [x]);
    return inputs && { inputs, attrs: undefined };
  },
});

const swishForm = (x: Node, alpha: Operand): Node => mul(x, sigmoid(mul(x, alpha)));

/** x σ(αx): quick GELU with α = 1.702, SiLU with α = 1. */
export const swish = defineFused<{ readonly alpha: number }>("swish", {
  form: ([x], { alpha }) => swishForm(x!, alpha),
  lower: (onnx, [x], { attrs: { alpha } }) =>
    onnx.node("QuickGelu", [x!], { alpha: { float: alpha } }, contrib),
  match: (node) => {
    const [x, alpha] = [hole(node), hole({ dtype: node.dtype, shape: [] })];
    const silu = matchForm(mul(x, sigmoid(x)), node, [x]);
    if (silu) return { inputs: silu, attrs: { alpha: 1 } };
    const [value, factor] = matchForm(swishForm(x, alpha), node, [x, alpha]) ?? [];
    const number = factor && uniformValue(factor);
    return number === undefined ? undefined : { inputs: [value!], attrs: { alpha: number } };
  },
});

/** GELU of x + bias. x [..., D], bias [D]. */
export const biasGelu = defineFused("biasGelu", {
  form: ([x, bias]) => gelu(add(x!, bias!)),
  lower: (onnx, inputs) => onnx.node("BiasGelu", inputs, {}, contrib),
  match: (node) => {
    if (node.rank < 2) return undefined;
    const [x, bias] = [hole(node), hole({ dtype: node.dtype, shape: node.shape.slice(-1) })];
    const inputs = matchForm(gelu(add(x, bias)), node, [x, bias]);
    return inputs && { inputs, attrs: undefined };
  },
});

const rmsNormForm = (x: Node, scale: Node, epsilon: Operand): Node =>
  mul(mul(x, rsqrt(add(mean(square(x), -1, true), epsilon))), scale);

/** x / √(mean x² + ε) over the last axis, then scale. x [..., D], scale [D]. */
export const fusedRmsNorm = defineFused<{ readonly epsilon: number }>("fusedRmsNorm", {
  form: ([x, scale], { epsilon }) => rmsNormForm(x!, scale!, epsilon),
  lower: (onnx, inputs, { attrs: { epsilon } }) =>
    onnx.node("SimplifiedLayerNormalization", inputs, { axis: -1, epsilon: { float: epsilon } }),
  match: (node) => {
    if (node.rank < 2) return undefined;
    const row = { dtype: node.dtype, shape: node.shape.slice(-1) };
    const holes = [hole(node), hole(row), hole({ dtype: node.dtype, shape: [] })] as const;
    const [x, scale, epsilon] = matchForm(rmsNormForm(...holes), node, holes) ?? [];
    const number = epsilon && uniformValue(epsilon);
    return number === undefined ? undefined : { inputs: [x!, scale!], attrs: { epsilon: number } };
  },
});

/** Layer normalisation of x + skip, both [..., D]; scale and shift [D]. */
export const skipLayerNorm = defineFused<{ readonly epsilon: number }>("skipLayerNorm", {
  form: ([x, skip, scale, shift], { epsilon }) => layerNorm(add(x!, skip!), scale!, shift!, epsilon),
  lower: (onnx, inputs, { attrs: { epsilon } }) =>
    onnx.node("SkipLayerNormalization", inputs, { epsilon: { float: epsilon } }, contrib),
  match: (node) => {
    const { op, attrs } = node.call;
    // ONNX Runtime's op takes [N, D] and [B, T, D] only.
    if (op.name !== "layerNorm" || node.rank < 2 || node.rank > 3) return undefined;
    const { epsilon } = attrs as { readonly epsilon: number };
    const row = { dtype: node.dtype, shape: node.shape.slice(-1) };
    const [x, skip, scale, shift] = [hole(node), hole(node), hole(row), hole(row)];
    const form = layerNorm(add(x, skip), scale, shift, epsilon);
    const inputs = matchForm(form, node, [x, skip, scale, shift]);
    return inputs && { inputs, attrs: { epsilon } };
  },
});
