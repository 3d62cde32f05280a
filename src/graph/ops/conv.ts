/**
 * Convolution over any number of spatial axes, strided, dilated, grouped, padded by side.
 * B batch, C channels in, O channels out, G groups, S spatial sizes, K kernel sizes, P output sizes.
 * `conv`, its gradient for x (`convTranspose`) and for the weight are linear in both operands and express each other's
 * gradients, so every order of gradient exists.
 */

import { ConfigError, ShapeError } from "../../errors.ts";
import {
  divideDims,
  equalDims,
  equalShapes,
  mulDims,
  productOf,
  type Shape,
  showShape,
} from "../../tensor/dims.ts";
import { defineOp, type Node, type OpFunction, requireFloat, sameDType } from "../node.ts";
import { lowerThrough } from "../onnx/lower.ts";
import { channelKernelGradient, pointwiseGradients } from "./conv-gradients.ts";
import { reshape, transpose } from "./core.ts";
import { matmul } from "./matmul.ts";
import { flip, slice, swapAxes } from "./shape.ts";
import { fold, unfold } from "./unfold.ts";
import { spatialSizes, type WindowOptions, type Windows, windowCounts, windowsOf } from "./windows.ts";

export interface ConvOptions extends WindowOptions {
  /** Parts of the channels that do not mix; divides both channel counts; default 1. C groups is depthwise. */
  readonly groups?: number;
}

interface ConvAttrs extends Windows {
  readonly groups: number;
}

/** Spatial sizes of a weight [O, C/G, ...K]. @throws ShapeError unless it fits `rank` axes and the groups. */
function kernelOf(where: string, weight: Node, rank: number, groups: number): readonly number[] {
  const kernel = spatialSizes(where, weight.shape);
  const [outputs] = weight.shape;
  if (kernel.length !== rank || divideDims(outputs!, groups) === undefined) {
    throw new ShapeError(
      `${where}: expected a weight [outputs, inputs / groups, ${rank} sizes] whose outputs ${groups} groups divide, ` +
        `got ${showShape(weight.shape)}`,
    );
  }
  return kernel;
}

const onnxWindows = ({ strides, dilations, padding, groups }: ConvAttrs) => ({
  strides,
  dilations,
  pads: [...padding.map(([before]) => before), ...padding.map(([, after]) => after)],
  group: groups,
});

const convOp: OpFunction<ConvAttrs> = defineOp<ConvAttrs>("conv", {
  infer: ([x, weight], attrs) => {
    requireFloat("conv", x!);
    const sizes = spatialSizes("conv", x!.shape);
    const kernel = kernelOf("conv", weight!, sizes.length, attrs.groups);
    if (!equalDims(x!.shape[1]!, mulDims(weight!.shape[1]!, attrs.groups))) {
      throw new ShapeError(
        `conv: ${showShape(x!.shape)} must have ${mulDims(weight!.shape[1]!, attrs.groups)} channels ` +
          `for a weight of ${showShape(weight!.shape)} in ${attrs.groups} groups`,
      );
    }
    const counts = windowCounts("conv", sizes, kernel, attrs);
    return [{ dtype: sameDType("conv", [x!, weight!]), shape: [x!.shape[0]!, weight!.shape[0]!, ...counts] }];
  },
  lower: (onnx, inputs, call) =>
    call.inputs[0]!.dtype === "float64"
      ? lowerThrough(onnx, inputs, call, (x, weight) => plainConv(x!, weight!, call.attrs))
      : onnx.node("Conv", inputs, onnxWindows(call.attrs)),
  flops: ({ inputs: [, weight], outputs: [y] }) =>
    mulDims(2, mulDims(productOf(y!.shape), productOf(weight!.shape.slice(1)))),
  quantize: ({ inputs: [x, kernel], outputs: [y], attrs }, at, weight) => {
    if (at !== 1 || !isTiling(attrs, kernel!.shape) || isPointwise(kernel!, attrs)) return undefined;
    const product = weight.product(tilesOf(x!, kernel!.shape, y!.shape), true);
    return product && reshape(transpose(product, [0, 2, 1]), y!.shape);
  },
  vjp: ({ inputs: [x, weight], grads: [dy], attrs }) =>
    isPointwise(weight!, attrs)
      ? pointwiseGradients(x!, weight!, dy)
      : [inputGradient(x!, weight!, dy, attrs), weightGradient(x!, dy, weight!.shape, attrs)],
});

/** Whether the windows tile a plane: no overlap, no padding, all channels in each, as in a patch embedding. */
const isTiling = ({ strides, dilations, padding, groups }: ConvAttrs, [, , ...kernel]: Shape): boolean =>
  kernel.length === 2 &&
  groups === 1 &&
  kernel.every((size, axis) => size === strides[axis]) &&
  dilations.every((dilation) => dilation === 1) &&
  padding.flat().every((size) => size === 0);

/** Tiles of [B, C, H, W] that the kernel [O, C, P, Q] covers, as rows [B, H/P · W/Q, C·P·Q]; what is left over is cut. */
function tilesOf(x: Node, kernel: Shape, [, , rows, columns]: Shape): Node {
  const [batch, channels] = x.shape;
  const [height, width] = [kernel[2]!, kernel[3]!];
  const whole = slice(slice(x, 2, 0, mulDims(rows!, height)), 3, 0, mulDims(columns!, width));
  const grid = reshape(whole, [batch!, channels!, rows!, height, columns!, width]);
  const inner = productOf([channels!, height, width]);
  return reshape(transpose(grid, [0, 2, 4, 1, 3, 5]), [batch!, mulDims(rows!, columns!), inner]);
}

interface ConvTransposeAttrs extends ConvAttrs {
  /** Spatial sizes of the result. */
  readonly sizes: readonly number[];
}

const convTransposeOp: OpFunction<ConvTransposeAttrs> = defineOp<ConvTransposeAttrs>("convTranspose", {
  infer: ([y, weight], attrs) => {
    requireFloat("convTranspose", y!);
    const { sizes, groups } = attrs;
    const kernel = kernelOf("convTranspose", weight!, sizes.length, groups);
    const counts = windowCounts("convTranspose", sizes, kernel, attrs);
    const [batch, ...rest] = y!.shape;
    if (!equalShapes(rest, [weight!.shape[0]!, ...counts])) {
      throw new ShapeError(
        `convTranspose: for a result of sizes [${sizes}] and a weight of ${showShape(weight!.shape)} expected ` +
          `${showShape([batch!, weight!.shape[0]!, ...counts])}, got ${showShape(y!.shape)}`,
      );
    }
    return [
      {
        dtype: sameDType("convTranspose", [y!, weight!]),
        shape: [batch!, mulDims(weight!.shape[1]!, groups), ...sizes],
      },
    ];
  },
  lower: (onnx, inputs, call) => {
    const { attrs } = call;
    if (call.inputs[0]!.dtype === "float64") {
      return lowerThrough(onnx, inputs, call, (y, weight) => plainConvTranspose(y!, weight!, attrs));
    }
    const smallest = smallestSizes(call.inputs[0]!.shape, call.inputs[1]!.shape, attrs);
    const extra = attrs.sizes.map((size, axis) => size - smallest[axis]!);
    return onnx.node("ConvTranspose", inputs, { ...onnxWindows(attrs), output_padding: extra });
  },
  vjp: ({ inputs: [y, weight], grads: [dx], attrs: { sizes: _, ...attrs } }) => [
    convOp(dx, weight!, attrs),
    weightGradient(dx, y!, weight!.shape, attrs),
  ],
});

/** The smallest spatial sizes whose convolution has the sizes of y. */
function smallestSizes(y: Shape, weight: Shape, { strides, dilations, padding }: Windows): number[] {
  const kernel = spatialSizes("convTranspose", weight);
  return spatialSizes("convTranspose", y).map((count, axis) => {
    const [before, after] = padding[axis]!;
    return strides[axis]! * (count - 1) + dilations[axis]! * (kernel[axis]! - 1) + 1 - before - after;
  });
}

/** dx of a convolution: where windows lie side by side, itself a convolution, of dy by the kernels turned around. */
function inputGradient(x: Node, weight: Node, dy: Node, attrs: ConvAttrs): Node {
  const { groups, strides, dilations, padding } = attrs;
  const kernel = spatialSizes("conv", weight.shape);
  const reach = kernel.map((size, axis) => dilations[axis]! * (size - 1));
  const around = padding.map((sides, axis) => sides.map((size) => reach[axis]! - size) as [number, number]);
  if (strides.some((stride) => stride !== 1) || around.flat().some((size) => size < 0))
    return convTransposeOp(dy, weight, { ...attrs, sizes: spatialSizes("conv", x.shape) });
  const [outputs, inputs] = weight.shape;
  const outputsEach = divideDims(outputs!, groups)!;
  const byGroup = reshape(weight, [groups, outputsEach, inputs!, ...kernel]);
  const exchanged = reshape(swapAxes(byGroup, 1, 2), [mulDims(inputs!, groups), outputsEach, ...kernel]);
  const turned = kernel.reduce<Node>((node, _, axis) => flip(node, axis + 2), exchanged);
  return convOp(dy, turned, { ...attrs, padding: around });
}

/**
 * dw[o, c, k] = Σ over b, p of dy[b, o, p] x[b, c, p·stride + k·dilation]: a convolution of x by dy over the batch, with
 * stride and dilation exchanged. x [B, C, ...S], dy [B, O, ...P] → [O, C/G, ...K].
 */
function weightGradient(x: Node, dy: Node, shape: Shape, attrs: ConvAttrs): Node {
  const { groups, strides, dilations, padding } = attrs;
  if (shape[1] === 1 && shape[0] === groups) return channelKernelGradient(x, dy, shape, attrs);
  const [batch, , ...sizes] = x.shape;
  const [outputs, inputs, ...kernel] = shape;
  const byGroup = reshape(x, [batch!, groups, inputs!, ...sizes]);
  const spatial = sizes.map((_, axis) => axis + 3);
  // The batch takes the place of the channels: [C/G, G·B, ...S] by [O, B, ...P].
  const images = reshape(transpose(byGroup, [2, 1, 0, ...spatial]), [
    inputs!,
    mulDims(groups, batch!),
    ...sizes,
  ]);
  const kernels = swapFirst(dy);
  const gradient = swapFirst(
    convOp(images, kernels, { strides: dilations, dilations: strides, padding, groups }),
  );
  // Elements of x past the last window give surplus positions.
  const cut = kernel.reduce<Node>((node, size, axis) => slice(node, axis + 2, 0, size), gradient);
  return reshape(cut, [outputs!, inputs!, ...kernel]);
}

const swapFirst = (x: Node): Node => transpose(x, [1, 0, ...x.shape.slice(2).map((_, axis) => axis + 2)]);

/** A window of one element at every position. Forward it is a convolution still: ORT folds a norm behind it into it. */
const isPointwise = (weight: Node, { groups, strides, padding }: ConvAttrs): boolean =>
  groups === 1 &&
  weight.shape.slice(2).every((size) => size === 1) &&
  strides.every((stride) => stride === 1) &&
  padding.flat().every((size) => size === 0);

// ONNX Runtime has no float64 convolution: windows written out, then a matrix product by group.

/** Weight [O, C/G, ...K] → [G, O/G, C/G·K]. */
function weightRows(weight: Node, groups: number): Node {
  const [outputs, ...rest] = weight.shape;
  return reshape(weight, [groups, divideDims(outputs!, groups)!, productOf(rest)]);
}

function plainConv(x: Node, weight: Node, { groups, ...windows }: ConvAttrs): Node {
  const kernel = spatialSizes("conv", weight.shape);
  const columns = unfold(x, kernel, windows);
  const rows = weightRows(weight, groups);
  const counts = windowCounts("conv", spatialSizes("conv", x.shape), kernel, windows);
  const grouped = reshape(columns, [x.shape[0]!, groups, rows.shape[2]!, columns.shape[3]!]);
  return reshape(matmul(rows, grouped), [x.shape[0]!, weight.shape[0]!, ...counts]);
}

function plainConvTranspose(y: Node, weight: Node, { groups, sizes, ...windows }: ConvTransposeAttrs): Node {
  const kernel = spatialSizes("convTranspose", weight.shape);
  const rows = weightRows(weight, groups);
  const [batch, , ...counts] = y.shape;
  const places = productOf(counts);
  const grouped = reshape(y, [batch!, groups, rows.shape[1]!, places]);
  const columns = matmul(rows, grouped, { transA: true });
  const channels = mulDims(weight.shape[1]!, groups);
  return fold(reshape(columns, [batch!, channels, productOf(kernel), places]), sizes, kernel, windows);
}

function convAttrs(where: string, x: Node, { groups = 1, ...options }: ConvOptions): ConvAttrs {
  if (!Number.isInteger(groups) || groups < 1) {
    throw new ConfigError(`${where}: groups must be an integer of at least 1, got ${groups}`);
  }
  return { ...windowsOf(where, x.rank - 2, options), groups };
}

/**
 * Cross-correlation of x [B, C, ...S] with weight [O, C/G, ...K] → [B, O, ...P]; B may be symbolic.
 * @throws ShapeError when channels do not fit or spatial sizes are symbolic.
 */
export function conv(x: Node, weight: Node, options: ConvOptions = {}): Node {
  return convOp(x, weight, convAttrs("conv", x, options));
}

export interface ConvTransposeOptions extends ConvOptions {
  /** Spatial sizes of the result, among those whose convolution has y's sizes; default the smallest. */
  readonly sizes?: readonly number[];
}

/**
 * The transpose of `conv` with the same weight and options: y [B, O, ...P] by weight [O, C/G, ...K] → [B, C, ...S].
 * @throws ShapeError when no convolution leads from the result's sizes to y's.
 */
export function convTranspose(y: Node, weight: Node, options: ConvTransposeOptions = {}): Node {
  const { sizes, ...rest } = options;
  const attrs = convAttrs("convTranspose", y, rest);
  return convTransposeOp(y, weight, {
    ...attrs,
    sizes: sizes ?? smallestSizes(y.shape, weight.shape, attrs),
  });
}
