/**
 * Integers in the place of floats: x ≈ scale · (q − zeroPoint). For inference; none has a gradient.
 * K inner size, N columns. Jacob et al. 2018, https://arxiv.org/abs/1712.05877
 */

import { ShapeError } from "../../errors.ts";
import { type Dim, equalDims, mulDims, productOf, type Shape, showShape } from "../../tensor/dims.ts";
import { applyOp, defineOp, type Node, noGrad, type OpRecord, registeredOps } from "../node.ts";
import { add, mul } from "./core.ts";
import { cast } from "./select.ts";

/** Bytes with the scale and zero point of the whole tensor, both of shape []. */
export interface Quantized {
  readonly values: Node;
  readonly scale: Node;
  readonly zeroPoint: Node;
}

const forInference = noGrad("quantised graphs are for inference; train the float model");
const contrib = { domain: "com.microsoft" } as const;

function requireFloat32(where: string, { dtype }: Node): void {
  if (dtype !== "float32") throw new ShapeError(`${where}: expected float32, got ${dtype}`);
}

function requireBytes(where: string, { dtype }: Node): void {
  if (dtype !== "uint8" && dtype !== "int8")
    throw new ShapeError(`${where}: expected uint8 or int8, got ${dtype}`);
}

/** Whether `factors` is a scalar or one number for each element of an axis. */
function requireFactors(where: string, factors: Node, size: Dim): void {
  if (factors.rank === 0 || (factors.rank === 1 && equalDims(factors.shape[0]!, size))) return;
  throw new ShapeError(
    `${where}: expected a scale of shape [] or [${size}], got ${showShape(factors.shape)}`,
  );
}

const recordOf = (name: string): OpRecord => registeredOps().get(name)!;

defineOp("dynamicQuantize", {
  infer: ([x]) => {
    requireFloat32("dynamicQuantize", x!);
    return [
      { dtype: "uint8", shape: x!.shape },
      { dtype: "float32", shape: [] },
      { dtype: "uint8", shape: [] },
    ];
  },
  lower: (onnx, inputs) => onnx.multi("DynamicQuantizeLinear", inputs, {}, { outputs: 3 }),
  vjp: forInference,
});

/** x as uint8 over the range of x itself, 0 included. */
export function dynamicQuantize(x: Node): Quantized {
  const [values, scale, zeroPoint] = applyOp(recordOf("dynamicQuantize"), [x], undefined).outputs;
  return { values: values!, scale: scale!, zeroPoint: zeroPoint! };
}

/** x / scale + zeroPoint, rounded to even and cut to the zero point's dtype. x [...], scale and zero point []. */
export const quantizeLinear = defineOp("quantizeLinear", {
  infer: ([x, scale, zeroPoint]) => {
    requireFloat32("quantizeLinear", x!);
    requireFloat32("quantizeLinear", scale!);
    requireBytes("quantizeLinear", zeroPoint!);
    return [{ dtype: zeroPoint!.dtype, shape: x!.shape }];
  },
  lower: (onnx, inputs) => onnx.node("QuantizeLinear", inputs),
  vjp: forInference,
});

const dequantizeOp = defineOp<{ readonly axis: number }>("dequantizeLinear", {
  infer: ([values, scale, zeroPoint], { axis }) => {
    requireBytes("dequantizeLinear", values!);
    requireFactors("dequantizeLinear", scale!, values!.shape[axis] ?? 1);
    if (zeroPoint && zeroPoint.dtype !== values!.dtype)
      throw new ShapeError(`dequantizeLinear: values are ${values!.dtype}, zero points ${zeroPoint.dtype}`);
    return [{ dtype: "float32", shape: values!.shape }];
  },
  lower: (onnx, inputs, { attrs: { axis } }) => onnx.node("DequantizeLinear", inputs, { axis }),
  vjp: forInference,
});

/** scale · (values − zeroPoint), float32; a scale of rank 1 runs along `axis`. Without a zero point it is 0. */
export const dequantizeLinear = (values: Node, scale: Node, zeroPoint?: Node, axis = 0): Node =>
  dequantizeOp(...[values, scale, zeroPoint].filter((node) => node !== undefined), { axis });

/** Shape of a product of integers [..., M, K] × [K, N]. */
function productShape(where: string, a: Node, b: Node): Shape {
  requireBytes(where, a);
  requireBytes(where, b);
  if (a.rank < 2 || b.rank !== 2 || !equalDims(a.shape.at(-1)!, b.shape[0]!)) {
    throw new ShapeError(
      `${where}: expected [..., M, K] × [K, N], got ${showShape(a.shape)} × ${showShape(b.shape)}`,
    );
  }
  return [...a.shape.slice(0, -1), b.shape[1]!];
}

/** (a − zeroPoint) b, int32. a [..., M, K], b [K, N], zeroPoint [] → [..., M, N]. */
export const matmulInteger = defineOp("matmulInteger", {
  infer: ([a, b]) => [{ dtype: "int32", shape: productShape("matmulInteger", a!, b!) }],
  lower: (onnx, inputs) => onnx.node("MatMulInteger", inputs),
  vjp: forInference,
});

/**
 * aScale (a − aZero) · bScale b + bias, float32, in one pass over the integer sums. a [..., M, K], b [K, N] of zero
 * point 0 with a scale [N], bias [N] or left out → [..., M, N].
 */
export const integerMatmul = defineOp("integerMatmul", {
  infer: ([a, b, aScale, bScale, aZero, bias]) => {
    const shape = productShape("integerMatmul", a!, b!);
    for (const factors of [bScale!, ...(bias ? [bias] : [])])
      requireFactors("integerMatmul", factors, b!.shape[1]!);
    if (aScale!.rank !== 0 || aZero!.rank !== 0)
      throw new ShapeError("integerMatmul: the left operand needs one scale and one zero point");
    return [{ dtype: "float32", shape }];
  },
  lower: (onnx, [a, b, aScale, bScale, aZero, bias]) =>
    onnx.node(
      "MatMulIntegerToFloat",
      [a!, b!, aScale!, bScale!, aZero!, ...(bias === undefined ? [] : ["", bias])],
      {},
      contrib,
    ),
  standard: ({ inputs: [a, b, aScale, bScale, aZero, bias] }) => {
    const product = mul(cast(matmulInteger(a!, b!, aZero!), "float32"), mul(aScale!, bScale!));
    return bias ? add(product, bias) : product;
  },
  flops: ({ inputs: [a], outputs: [y] }) => mulDims(2, mulDims(productOf(y!.shape), a!.shape.at(-1)!)),
  vjp: forInference,
  // A product without a bias, to which a row is added.
  match: (node) => {
    if (node.call.op.name !== "add") return undefined;
    const [left, right] = node.call.inputs as [Node, Node];
    const [product, bias] = left.call.op.name === "integerMatmul" ? [left, right] : [right, left];
    const { op, inputs } = product.call;
    const isRow = bias.rank === 1 && equalDims(bias.shape[0]!, node.shape.at(-1)!);
    if (op.name !== "integerMatmul" || inputs.length > 5 || !isRow) return undefined;
    return { inputs: [...inputs, bias], attrs: undefined };
  },
});

/** How the columns of a matrix are kept in blocks of integers along the inner axis. */
export interface BlockAttrs {
  readonly bits: 4 | 8;
  /** Inner elements of one scale: a power of two from 16. */
  readonly blockSize: number;
  readonly innerSize: number;
}

/**
 * x W for a matrix of which every block of a column has a scale of its own. x [..., K], W as bytes
 * [N, ⌈K / block⌉, block · bits / 8] with zero point 2^(bits − 1), scales [N · ⌈K / block⌉] → [..., N].
 * The products use x as 8-bit integers by block.
 */
export const blockMatmul = defineOp<BlockAttrs>("blockMatmul", {
  infer: ([x, values, scales], { bits, blockSize, innerSize }) => {
    requireFloat32("blockMatmul", x!);
    const [columns] = values!.shape;
    const numBlocks = Math.ceil(innerSize / blockSize);
    const expected = [columns!, numBlocks, (blockSize * bits) / 8];
    const fits = expected.every((size, axis) => equalDims(size, values!.shape[axis]!));
    if (
      !fits ||
      x!.shape.at(-1) !== innerSize ||
      !equalDims(scales!.shape[0]!, mulDims(columns!, numBlocks))
    ) {
      throw new ShapeError(
        `blockMatmul: expected x [..., ${innerSize}], values ${showShape(expected)} and a scale for every block, ` +
          `got ${[x!, values!, scales!].map(({ shape }) => showShape(shape)).join(", ")}`,
      );
    }
    return [{ dtype: "float32", shape: [...x!.shape.slice(0, -1), columns!] }];
  },
  lower: (onnx, inputs, { inputs: [, values], attrs: { bits, blockSize, innerSize } }) => {
    const sizes = { K: innerSize, N: values!.shape[0] as number };
    const attributes = { ...sizes, bits, block_size: blockSize, accuracy_level: int8Products };
    return onnx.node("MatMulNBits", inputs, attributes, contrib);
  },
  flops: ({ outputs: [y], attrs: { innerSize } }) => mulDims(2 * innerSize, productOf(y!.shape)),
  vjp: forInference,
});

/** ONNX Runtime's level of accuracy at which both operands are 8-bit integers. */
const int8Products = 4;
