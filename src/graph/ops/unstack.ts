import { ShapeError } from "../../errors.ts";
import { normaliseAxis, showShape } from "../../tensor/dims.ts";
import { defineOp, type Node } from "../node.ts";
import { zeros } from "./core.ts";
import { concat } from "./shape.ts";

const unstackOp = defineOp<{ readonly axis: number }>("unstack", {
  infer: ([x], { axis }) => {
    const size = x!.shape[axis];
    if (typeof size !== "number") {
      throw new ShapeError(`unstack: axis ${axis} of ${showShape(x!.shape)} must have a known size`);
    }
    const shape = x!.shape.with(axis, 1);
    return Array.from({ length: size }, () => ({ dtype: x!.dtype, shape }));
  },
  lower: (onnx, [x], { outputs, attrs: { axis } }) => {
    const sizes = onnx.int64s(outputs.map(() => 1));
    return onnx.multi("Split", [x!, sizes], { axis }, { outputs: outputs.length });
  },
  vjp: ({ outputs, grads, attrs: { axis } }) => [
    concat(
      outputs.map(({ dtype, shape }, at) => grads[at] ?? zeros(dtype, shape)),
      axis,
    ),
  ],
});

/**
 * Every element of one axis, which stays with size 1: [T, B, C] → T × [1, B, C]. Unlike as many slices, whose gradients
 * are as large as x, it costs one pass over x each way.
 */
export const unstack = (x: Node, axis: number): readonly Node[] =>
  unstackOp(x, { axis: normaliseAxis(axis, x.rank, "unstack") }).call.outputs;
