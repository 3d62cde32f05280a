/**
 * Random numbers as a function of a key and a position, so that a resumed run repeats them exactly.
 * Keys are uint32 scalars; the mixing is that of `tensor/random.ts`.
 */

import { type Dim, productOf } from "../../tensor/dims.ts";
import { hash32 } from "../../tensor/random.ts";
import { defineOp, type Node, type OpFunction, requireFloat, scalar } from "../node.ts";
import { add, mul, reshape } from "./core.ts";
import { clip } from "./math.ts";
import { bitXor, cast, shiftRight } from "./select.ts";
import { iota } from "./shape.ts";

const bits = (value: number): Node => scalar(value, "uint32");

/** `hash32` of `tensor/random.ts`, elementwise on uint32. */
export function hashBits(x: Node): Node {
  const first = mul(bitXor(x, shiftRight(x, bits(16))), bits(0x7feb352d));
  const second = mul(bitXor(first, shiftRight(first, bits(15))), bits(0x846ca68b));
  return bitXor(second, shiftRight(second, bits(16)));
}

/** An independent key per label. */
export const deriveKeyNode = (key: Node, label: number): Node =>
  hashBits(add(mul(key, bits(31)), bits((hash32(label) + 1) >>> 0)));

/** `count` random uint32, as int32 bits, that depend on the key. */
function randomInts(key: Node, count: Dim): Node {
  const counters = mul(iota(count, "uint32"), bits(0x9e3779b1));
  return cast(hashBits(add(hashBits(bitXor(counters, key)), key)), "int32");
}

/** Random numbers strictly between 0 and 1, one for each element of a float tensor like x. */
export function uniformLike(x: Node, key: Node): Node {
  const count = productOf(x.shape);
  const shifted = add(mul(cast(randomInts(key, count), "float32"), 2 ** -32), 0.5);
  return reshape(cast(clip(shifted, 2 ** -24, 1 - 2 ** -24), x.dtype), x.shape);
}

interface DropoutAttrs {
  readonly rate: number;
}

/**
 * x with elements set to zero at `rate` and the others divided by 1 − rate. The element at (row, column) is dropped
 * when the top bits of rowKey × columnKey fall below the rate: multiply-shift hashing, which is 2-universal
 * (Dietzfelbinger et al. 1997), at one product per element. Linear in x, so its gradient is itself.
 */
const dropoutOp: OpFunction<DropoutAttrs> = defineOp<DropoutAttrs>("dropout", {
  infer: ([x]) => {
    requireFloat("dropout", x!);
    return [x!];
  },
  lower: (onnx, [x, rows, columns], { inputs: [node], attrs: { rate } }) => {
    const threshold = Math.round(rate * 2 ** 32) - 2 ** 31;
    const product = onnx.node("Mul", [rows!, columns!]);
    const isKept = onnx.node("Not", [onnx.node("Less", [product, onnx.scalar(threshold, "int32")])]);
    const scale = onnx.node("Mul", [
      onnx.cast(isKept, node!.dtype),
      onnx.scalar(1 / (1 - rate), node!.dtype),
    ]);
    return onnx.node("Mul", [x!, scale]);
  },
  vjp: ({ inputs: [, rows, columns], grads: [dy], attrs }) => [
    dropoutOp(dy, rows!, columns!, attrs),
    null,
    null,
  ],
});

/** Dropout of x [..., C] with a key of its own for every use. Srivastava et al. 2014. */
export function dropout(x: Node, key: Node, rate: number): Node {
  const columns = x.shape.at(-1)!;
  const leading = x.shape.slice(0, -1);
  const rowKeys = mul(randomInts(deriveKeyNode(key, 0), productOf(leading)), scalar(2, "int32"));
  const odd = add(rowKeys, scalar(1, "int32"));
  return dropoutOp(x, reshape(odd, [...leading, 1]), randomInts(deriveKeyNode(key, 1), columns), { rate });
}
