/** Activations of Transformer feed-forward blocks. */

import { defineOp, type Node, requireFloat } from "../node.ts";
import { matchGelu } from "./compositions.ts";
import { add, mul, narrowBroadcast } from "./core.ts";
import { chebyshevErf } from "./erf64.ts";
import { erf, exp, leakyRelu, relu, sigmoid, silu, square, tanh } from "./math.ts";

/**
 * x Φ(x) with the normal distribution function Φ, exact. Hendrycks & Gimpel 2016, https://arxiv.org/abs/1606.08415
 * dx = dy (Φ(x) + x φ(x)).
 */
export const gelu = defineOp("gelu", {
  infer: ([x]) => {
    requireFloat("gelu", x!);
    return [x!];
  },
  lower: (onnx, [x], { inputs: [node] }) => {
    if (node!.dtype !== "float64") return onnx.node("Gelu", [x!]);
    const scaled = onnx.node("Mul", [x!, onnx.scalar(Math.SQRT1_2, "float64")]);
    const doubled = onnx.node("Add", [chebyshevErf(onnx, scaled), onnx.scalar(1, "float64")]);
    return onnx.node("Mul", [onnx.node("Mul", [x!, doubled]), onnx.scalar(0.5, "float64")]);
  },
  narrow: narrowBroadcast,
  vjp: ({ inputs: [x], grads: [dy] }) => {
    const cdf = mul(add(erf(mul(x!, Math.SQRT1_2)), 1), 0.5);
    const density = mul(exp(mul(square(x!), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return [mul(dy, add(cdf, mul(x!, density)))];
  },
  match: matchGelu,
});

/** The tanh approximation of GELU that GPT-2 uses. */
export function geluTanh(x: Node): Node {
  const inner = mul(add(x, mul(mul(square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
}

/** x σ(1.702 x), the approximation of GELU that CLIP uses. */
export const quickGelu = (x: Node): Node => mul(x, sigmoid(mul(x, 1.702)));

/** Activations by the names of Hugging Face's `hidden_act`. */
export const activations = {
  gelu,
  gelu_python: gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  gelu_fast: geluTanh,
  quick_gelu: quickGelu,
  relu,
  silu,
  swish: silu,
  leaky_relu: (x: Node) => leakyRelu(x),
  tanh,
  sigmoid,
} as const satisfies Record<string, (x: Node) => Node>;

export type ActivationName = keyof typeof activations;
