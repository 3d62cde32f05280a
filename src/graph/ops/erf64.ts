/** erf in float64, which ONNX Runtime's CPU provider lacks; gradients are checked in float64. */

import type { OnnxBuilder } from "../onnx/builder.ts";

/**
 * Chebyshev coefficients of ln(erfc(z)/t) + z² in 4t − 2, with t = 2/(2 + z), z ≥ 0; fitted on 64 Chebyshev nodes in
 * 60-digit arithmetic. The largest error of erf is 1.2e-15.
 */
const coefficients = [
  -1.3026537197817096, 0.6419697923564902, 0.01947647320418596, -0.009561514786808785, -0.0009465953444819583,
  0.0003668394978526765, 4.252332480696869e-5, -2.027857811261191e-5, -1.624290004526019e-6,
  1.3036558359214023e-6, 1.5626441876581687e-8, -8.523809631039159e-8, 6.529054366599674e-9,
  5.059343916036241e-9, -9.913640464098705e-10, -2.273653904039108e-10, 9.646839577159838e-11,
  2.394126563665111e-12, -6.886172188025341e-12, 8.942152573965245e-13, 3.13020442899159e-13,
  -1.1295825386170577e-13, 7.28583859910259e-16, 6.807054919732991e-15, -1.5265566588595902e-15,
];

/** ONNX nodes for erf of a float64 value; returns the output's name. */
export function chebyshevErf(onnx: OnnxBuilder, x: string): string {
  const value = (number: number): string => onnx.scalar(number, "float64");
  const z = onnx.node("Abs", [x]);
  const t = onnx.node("Div", [value(2), onnx.node("Add", [z, value(2)])]);
  const ty = onnx.node("Sub", [onnx.node("Mul", [t, value(4)]), value(2)]);
  // Clenshaw's recurrence: d ← ty·d − d' + c.
  let [d, previous] = [value(0), value(0)];
  for (const coefficient of coefficients.slice(1).reverse()) {
    const next = onnx.node("Add", [
      onnx.node("Sub", [onnx.node("Mul", [ty, d]), previous]),
      value(coefficient),
    ]);
    [d, previous] = [next, d];
  }
  const series = onnx.node("Add", [onnx.node("Mul", [ty, d]), value(coefficients[0]!)]);
  const half = onnx.node("Sub", [onnx.node("Mul", [series, value(0.5)]), previous]);
  const exponent = onnx.node("Sub", [half, onnx.node("Mul", [z, z])]);
  const erfc = onnx.node("Mul", [t, onnx.node("Exp", [exponent])]);
  return onnx.node("Mul", [onnx.node("Sign", [x]), onnx.node("Sub", [value(1), erfc])]);
}
