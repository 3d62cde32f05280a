/** Matrix products. Transposes of the last two axes and a factor are part of the op, so that no gradient needs a copy. */

import { ShapeError } from "../../errors.ts";
import {
  broadcastShapes,
  type Dim,
  equalDims,
  mulDims,
  productOf,
  type Shape,
  showShape,
} from "../../tensor/dims.ts";
import { defineOp, type Node, requireFloat, sameDType } from "../node.ts";
import type { OnnxBuilder } from "../onnx/builder.ts";
import { mul, reshape, sumTo, transpose } from "./core.ts";

export interface MatmulOptions {
  /** Use aᵀ (its last two axes exchanged); default false. */
  readonly transA?: boolean;
  /** Use bᵀ; default false. */
  readonly transB?: boolean;
  /** Factor of the product; default 1. */
  readonly alpha?: number;
}

const matmulOp = defineOp<Required<MatmulOptions>>("matmul", {
  infer: ([a, b], { transA, transB }) => {
    requireFloat("matmul", a!);
    const [rows, innerA] = lastTwo(a!.shape, transA);
    const [innerB, columns] = lastTwo(b!.shape, transB);
    if (!equalDims(innerA, innerB)) {
      throw new ShapeError(
        `matmul: inner sizes must match, got ${showOperand(a!, transA)} × ${showOperand(b!, transB)}`,
      );
    }
    const batch = broadcastShapes("matmul", a!.shape.slice(0, -2), b!.shape.slice(0, -2));
    return [{ dtype: sameDType("matmul", [a!, b!]), shape: [...batch, rows, columns] }];
  },
  lower: (onnx, [a, b], { inputs, attrs: { transA, transB, alpha } }) => {
    if (!transA && !transB && alpha === 1) return onnx.node("MatMul", [a!, b!]);
    if (inputs[0]!.dtype === "float32") {
      const flags = { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: { float: alpha } };
      return onnx.node("FusedMatMul", [a!, b!], flags, { domain: "com.microsoft" });
    }
    const left = transA ? swapLast(onnx, a!, inputs[0]!) : a!;
    const right = transB ? swapLast(onnx, b!, inputs[1]!) : b!;
    const product = onnx.node("MatMul", [left, right]);
    return alpha === 1 ? product : onnx.node("Mul", [product, onnx.scalar(alpha, inputs[0]!.dtype)]);
  },
  standard: ({ inputs: [a, b], attrs: { transA, transB, alpha } }) => {
    if (!transA && !transB && alpha === 1) return undefined;
    const product = matmul(transA ? swapLastAxes(a!) : a!, transB ? swapLastAxes(b!) : b!);
    return alpha === 1 ? product : mul(product, alpha);
  },
  flops: ({ inputs: [a], outputs: [y], attrs: { transA } }) =>
    mulDims(2, mulDims(productOf(y!.shape), lastTwo(a!.shape, transA)[1])),
  narrow: ({ inputs: [a, b], outputs: [y], attrs }, { axis, of }) => {
    const fromEnd = y!.rank - axis;
    if (fromEnd === 2) return matmul(of(a!, a!.rank - (attrs.transA ? 1 : 2)), b!, attrs);
    if (fromEnd === 1) return matmul(a!, of(b!, b!.rank - (attrs.transB ? 2 : 1)), attrs);
    const ofBatch = (node: Node): Node => {
      const own = node.rank - fromEnd;
      return own >= 0 && equalDims(node.shape[own]!, y!.shape[axis]!) ? of(node, own) : node;
    };
    return matmul(ofBatch(a!), ofBatch(b!), attrs);
  },
  quantize: ({ inputs: [a, b], attrs: { transA, transB, alpha } }, at, weight) =>
    at === 1 && b!.rank === 2 && a!.rank > 1 && !transA && alpha === 1
      ? weight.product(a!, transB)
      : undefined,
  vjp: ({ inputs: [a, b], grads: [dy], attrs: { transA, transB, alpha } }) => [
    leftGradient(a!, b!, dy, { transA, transB, alpha }),
    rightGradient(a!, b!, dy, { transA, transB, alpha }),
  ],
});

const lastTwo = (shape: Shape, isTransposed: boolean): [Dim, Dim] => {
  const [rows, columns] = shape.slice(-2) as [Dim, Dim];
  return isTransposed ? [columns, rows] : [rows, columns];
};

const showOperand = (node: Node, isTransposed: boolean): string =>
  `${showShape(node.shape)}${isTransposed ? "ᵀ" : ""}`;

/** The node with its last two axes exchanged. */
function swapLastAxes(node: Node): Node {
  return transpose(node, lastSwapped(node));
}

/** The order of axes in which the last two are exchanged. */
function lastSwapped({ rank }: Node): number[] {
  const order = Array.from({ length: rank }, (_, axis) => axis);
  return order.with(rank - 1, rank - 2).with(rank - 2, rank - 1);
}

function swapLast(onnx: OnnxBuilder, name: string, node: Node): string {
  return onnx.node("Transpose", [name], { perm: lastSwapped(node) });
}

// y = α A B with A = a or aᵀ, B = b or bᵀ: dA = α dy Bᵀ, dB = α Aᵀ dy.

function leftGradient(a: Node, b: Node, dy: Node, { transA, transB, alpha }: Required<MatmulOptions>): Node {
  const gradient = transA
    ? matmul(b, dy, { transA: transB, transB: true, alpha })
    : matmul(dy, b, { transB: !transB, alpha });
  return sumTo(gradient, a.shape);
}

function rightGradient(a: Node, b: Node, dy: Node, { transA, transB, alpha }: Required<MatmulOptions>): Node {
  // A shared right matrix sums over the batch: fold the batch into the rows, so that it is one product.
  if (b.rank === 2 && a.rank > 2 && !transA) {
    const rows = flattenRows(a);
    return rightGradient(rows, b, flattenRows(dy), { transA, transB, alpha });
  }
  const gradient = transB
    ? matmul(dy, a, { transA: true, transB: transA, alpha })
    : matmul(a, dy, { transA: !transA, alpha });
  return sumTo(gradient, b.shape);
}

/** [..., T, D] → [N, D]. */
export const flattenRows = (x: Node): Node =>
  reshape(x, [x.shape.slice(0, -1).reduce(mulDims, 1 as Dim), x.shape.at(-1)!]);

/**
 * α a b over the last two axes, batches broadcast. a [..., M, K], b [..., K, N] → [..., M, N].
 * @throws ShapeError when the inner sizes differ.
 */
export function matmul(a: Node, b: Node, options: MatmulOptions = {}): Node {
  if (a.rank < 2 || b.rank < 2) {
    throw new ShapeError(`matmul: expected matrices, got ${showShape(a.shape)} × ${showShape(b.shape)}`);
  }
  return matmulOp(a, b, { transA: false, transB: false, alpha: 1, ...options });
}
