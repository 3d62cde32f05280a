import { describe, expect, test } from "vitest";
import { constant, input } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Context } from "./context.ts";
import { ConvNorm } from "./conv-norm.ts";
import { Init, initialValue, mapParameters } from "./module.ts";

/** Names of the ONNX ops that one pass in inference runs. */
async function opsOf(layer: ConvNorm): Promise<string[]> {
  const stored = mapParameters(layer, (node) => constant(initialValue(node, "weight", 0)));
  const x = input("x", "float32", [2, 3, 6, 6]);
  const outputs = { y: stored.forward(Context.inference(), x) };
  const bytes = encodeOnnx({ inputs: [x], parameters: new Map(), outputs });
  const session = await OrtSession.open({ bytes }, { threads: 1, profile: true });
  await session.run({ x: Tensor.zeros("float32", [2, 3, 6, 6]) });
  const ops = await session.profile();
  await session.release();
  return ops.map(({ name }) => name);
}

describe("a convolution with batch norm", () => {
  test.each([1, 3])("needs no op for the norm in inference, with a kernel of %i", async (kernel) => {
    const ops = await opsOf(new ConvNorm(new Init(), 3, 16, kernel));
    expect(ops).toContain("Conv");
    for (const op of ["Mul", "Add", "MatMul"]) expect(ops).not.toContain(op);
  });
});
