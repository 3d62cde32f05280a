import { describe, expect, test } from "vitest";
import { evaluate } from "../../../test/support/evaluate.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { constant } from "../node.ts";
import { type ResizeMode, resize } from "./resize.ts";

/** 1, 2, 3 … as an image [1, 1, height, width], resized. */
async function resized(
  height: number,
  width: number,
  to: [number, number],
  mode: ResizeMode,
): Promise<number[]> {
  const values = Array.from({ length: height * width }, (_, at) => at + 1);
  const image = constant(Tensor.from("float64", [1, 1, height, width], values));
  const [result] = await evaluate([resize(image, to, mode)]);
  return result!.toNumbers();
}

describe("resize", () => {
  // Values from the documentation of PyTorch's Upsample.
  test("bilinear doubles an image as PyTorch does", async () => {
    expect(await resized(2, 2, [4, 4], "bilinear")).toEqual([
      1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4,
    ]);
  });

  // Values from the ONNX specification's example of Resize, which uses the same cubic parameter.
  test("bicubic doubles an image as ONNX does", async () => {
    const result = await resized(4, 4, [8, 8], "bicubic");
    expect(result.slice(0, 8)).toEqual([
      0.47265625, 0.76953125, 1.24609375, 1.875, 2.28125, 2.91015625, 3.38671875, 3.68359375,
    ]);
    expect(result.at(-1)).toBe(16.52734375);
  });

  test("bilinear halves an image by averaging neighbours", async () => {
    expect(await resized(2, 4, [1, 2], "bilinear")).toEqual([3.5, 5.5]);
  });

  test("nearest takes the sample under the left edge", async () => {
    expect(await resized(1, 3, [1, 5], "nearest")).toEqual([1, 1, 2, 2, 3]);
  });

  test("every place weighs its samples to one", async () => {
    const ones = constant(
      Tensor.from(
        "float64",
        [1, 1, 3, 5],
        Array.from({ length: 15 }, () => 1),
      ),
    );
    for (const mode of ["bilinear", "bicubic", "nearest"] as const) {
      const [result] = await evaluate([resize(ones, [7, 2], mode)]);
      for (const value of result!.toNumbers()) expect(value).toBeCloseTo(1, 14);
    }
  });

  test("the same size is the same node", () => {
    const image = constant(Tensor.zeros("float64", [1, 1, 3, 5]));
    expect(resize(image, [3, 5])).toBe(image);
  });
});
