/** Softmax and normalisations. */

import { ShapeError } from "../../errors.ts";
import { divideDims, equalShapes, normaliseAxis, productOf, showShape } from "../../tensor/dims.ts";
import { defineOp, type Node, requireFloat } from "../node.ts";
import type { OnnxBuilder } from "../onnx/builder.ts";
import { matchLayerNorm } from "./compositions.ts";
import {
  add,
  broadcastTo,
  countOf,
  div,
  mul,
  narrowBroadcast,
  neg,
  reshape,
  sub,
  sum,
  sumTo,
} from "./core.ts";
import { exp, rsqrt, square } from "./math.ts";
import { mean } from "./reduce.ts";

const softmaxOp = defineOp<{ readonly axis: number }>("softmax", {
  infer: ([x]) => {
    requireFloat("softmax", x!);
    return [x!];
  },
  lower: (onnx, inputs, { attrs: { axis } }) => onnx.node("Softmax", inputs, { axis }),
  narrow: (call, range) => (range.axis === call.attrs.axis ? undefined : narrowBroadcast(call, range)),
  // dx = y (dy − Σ dy y)
  vjp: ({ outputs: [y], grads: [dy], attrs: { axis } }) => {
    const weighted = mul(dy, y!);
    return [sub(weighted, mul(y!, sum(weighted, axis, true)))];
  },
});

/** e^x / Σ e^x along one axis. */
export const softmax = (x: Node, axis = -1): Node =>
  softmaxOp(x, { axis: normaliseAxis(axis, x.rank, "softmax") });

const logSoftmaxOp = defineOp<{ readonly axis: number }>("logSoftmax", {
  infer: ([x]) => {
    requireFloat("logSoftmax", x!);
    return [x!];
  },
  lower: (onnx, inputs, { attrs: { axis } }) => onnx.node("LogSoftmax", inputs, { axis }),
  narrow: (call, range) => (range.axis === call.attrs.axis ? undefined : narrowBroadcast(call, range)),
  // dx = dy − e^y Σ dy
  vjp: ({ outputs: [y], grads: [dy], attrs: { axis } }) => [sub(dy, mul(exp(y!), sum(dy, axis, true)))],
});

/** log(e^x / Σ e^x) along one axis. */
export const logSoftmax = (x: Node, axis = -1): Node =>
  logSoftmaxOp(x, { axis: normaliseAxis(axis, x.rank, "logSoftmax") });

const layerNormOp = defineOp<{ readonly epsilon: number }>("layerNorm", {
  infer: ([x, scale, shift]) => {
    const dtype = requireFloat("layerNorm", x!);
    const row = x!.shape.slice(-1);
    for (const node of [scale!, shift!]) {
      if (!equalShapes(node.shape, row)) {
        throw new ShapeError(
          `layerNorm: scale and shift must be ${showShape(row)}, got ${showShape(node.shape)}`,
        );
      }
    }
    const statistic = { dtype, shape: x!.shape.with(-1, 1) };
    return [x!, statistic, statistic];
  },
  lower: (onnx, inputs, { attrs: { epsilon }, inputs: [x] }) =>
    x!.dtype === "float64"
      ? plainLayerNorm(onnx, inputs, epsilon)
      : onnx.multi("LayerNormalization", inputs, { axis: -1, epsilon: { float: epsilon } }, { outputs: 3 }),
  narrow: (call, range) =>
    range.axis === call.outputs[0]!.rank - 1 ? undefined : narrowBroadcast(call, range),
  vjp: ({ inputs: [x, scale, shift], outputs: [, mu, invStd], grads: [dy, dMu, dInvStd] }) => {
    const centred = sub(x!, mu!);
    const unit = mul(centred, invStd!);
    const dUnit = mul(dy, scale!);
    const inner = sub(dUnit, add(mean(dUnit, -1, true), mul(unit, mean(mul(dUnit, unit), -1, true))));
    let dx = mul(inner, invStd!);
    // Gradients of the statistics arrive only in gradients of gradients: they broadcast over the row.
    const width = x!.shape.at(-1) as number;
    if (dMu) dx = add(dx, mul(dMu, 1 / width));
    if (dInvStd) dx = sub(dx, mul(mul(dInvStd, mul(square(invStd!), invStd!)), mul(centred, 1 / width)));
    return [dx, sumTo(mul(dy, unit), scale!.shape), sumTo(dy, shift!.shape)];
  },
  match: matchLayerNorm,
});

/** The same in separate nodes, for float64, where ONNX Runtime has no kernel with float64 statistics. */
function plainLayerNorm(onnx: OnnxBuilder, [x, scale, shift]: readonly string[], epsilon: number): string[] {
  const last = onnx.int64s([-1]);
  const mu = onnx.node("ReduceMean", [x!, last], { keepdims: 1 });
  const centred = onnx.node("Sub", [x!, mu]);
  const variance = onnx.node("ReduceMean", [onnx.node("Mul", [centred, centred]), last], { keepdims: 1 });
  const std = onnx.node("Sqrt", [onnx.node("Add", [variance, onnx.scalar(epsilon, "float64")])]);
  const invStd = onnx.node("Reciprocal", [std]);
  const unit = onnx.node("Mul", [centred, invStd]);
  return [onnx.node("Add", [onnx.node("Mul", [unit, scale!]), shift!]), mu, invStd];
}

/**
 * (x − mean) / √(variance + ε) over the last axis, then scale and shift. x [..., D], scale and shift [D].
 * Ba et al. 2016, https://arxiv.org/abs/1607.06450
 */
export const layerNorm = (x: Node, scale: Node, shift: Node, epsilon: number): Node =>
  layerNormOp(x, scale, shift, { epsilon });

/** x / √(mean x² + ε) over the last axis, then scale. Zhang & Sennrich 2019, https://arxiv.org/abs/1910.07467 */
export const rmsNorm = (x: Node, scale: Node, epsilon: number): Node =>
  mul(mul(x, rsqrt(add(mean(square(x), -1, true), epsilon))), scale);

const channelMomentsOp = defineOp("channelMoments", {
  infer: ([x]) => {
    const vector = { dtype: requireFloat("channelMoments", x!), shape: [x!.shape[1]!] };
    return [vector, vector];
  },
  lower: (onnx, [x], { inputs: [node] }) => {
    const axes = onnx.int64s(acrossChannels(node!));
    const mu = onnx.node("ReduceMean", [x!, axes], { keepdims: 1 });
    const centred = onnx.node("Sub", [x!, mu]);
    const squares = onnx.node("Mul", [centred, centred]);
    const variance = onnx.node("ReduceMean", [squares, axes], { keepdims: 0 });
    return [onnx.node("Squeeze", [mu, axes]), variance];
  },
  // dx = (dμ + 2 (x − μ) dσ²) / n
  vjp: ({ inputs: [x], outputs: [mu], grads: [dMu, dVariance] }) => {
    const count = countOf(x!, acrossChannels(x!));
    const shift = perChannel(div(dMu, count), x!);
    if (!dVariance) return [broadcastTo(shift, x!.shape)];
    const slope = div(mul(dVariance, 2), count);
    return [add(mul(x!, perChannel(slope, x!)), sub(shift, perChannel(mul(slope, mu!), x!)))];
  },
});

/** All axes but that of the channels. */
const acrossChannels = (x: Node): number[] => x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));

/** Mean and variance (divided by n) of each channel over batch and space. x [B, C, ...] → [C] each. */
export function channelMoments(x: Node): { mean: Node; variance: Node } {
  const [mu, variance] = channelMomentsOp(x).call.outputs;
  return { mean: mu!, variance: variance! };
}

/**
 * Normalisation of channels over batch and space with given statistics. x [B, C, ...]; the rest [C]; without scale and
 * shift they are 1 and 0. Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167
 */
export function batchNorm(
  x: Node,
  statistics: { readonly mean: Node; readonly variance: Node },
  scale: Node | undefined,
  shift: Node | undefined,
  epsilon: number,
): Node {
  const invStd = rsqrt(add(statistics.variance, epsilon));
  const factor = scale ? mul(invStd, scale) : invStd;
  const centre = mul(statistics.mean, factor);
  const offset = shift ? sub(shift, centre) : neg(centre);
  return add(mul(x, perChannel(factor, x)), perChannel(offset, x));
}

/** [C] → [C, 1, ...] so that it broadcasts over x [B, C, ...]. */
export const perChannel = (vector: Node, x: Node): Node =>
  reshape(vector, [...vector.shape, ...Array.from({ length: x.rank - 2 }, () => 1)]);

/**
 * Normalisation over each group of channels and all space, then scale and shift by channel. x [B, C, ...], the rest [C].
 * Wu & He 2018, https://arxiv.org/abs/1803.08494
 */
export function groupNorm(x: Node, groups: number, scale: Node, shift: Node, epsilon: number): Node {
  const [batch, channels, ...sizes] = x.shape;
  const size = divideDims(productOf([channels!, ...sizes]), groups);
  if (divideDims(channels!, groups) === undefined || size === undefined) {
    throw new ShapeError(`groupNorm: ${groups} groups do not divide the channels of ${showShape(x.shape)}`);
  }
  const grouped = reshape(x, [batch!, groups, size]);
  const centred = sub(grouped, mean(grouped, -1, true));
  const unit = mul(centred, rsqrt(add(mean(square(centred), -1, true), epsilon)));
  return add(mul(reshape(unit, x.shape), perChannel(scale, x)), perChannel(shift, x));
}
