import { describe, expect, test } from "vitest";
import { evaluate } from "../../../test/support/evaluate.ts";
import { Random } from "../../tensor/random.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { grad } from "../grad.ts";
import { input } from "../node.ts";
import { mul, sum } from "./core.ts";
import { crossEntropyRows, plainCrossEntropyRows } from "./cross-entropy.ts";
import { square } from "./math.ts";

const [logits, labels] = [input("logits", "float64", [5, 7]), input("labels", "int64", [5])];
const weights = input("weights", "float64", [5]);
const random = new Random(4);
const draw = (shape: number[]): Tensor =>
  Tensor.from(
    "float64",
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b) }, () => 4 * random.normal()),
  );
const feeds = {
  logits: draw([5, 7]),
  labels: Tensor.from("int64", [5], [0, 6, 3, 3, 1]),
  weights: draw([5]),
};

/** Rows, their weighted sum's gradient, and the gradient of that gradient's squares. */
function derivatives(loss: typeof crossEntropyRows, smoothing: number) {
  const rows = loss(logits, labels, smoothing);
  const [first] = grad(sum(mul(rows, weights)), [logits]);
  const [second] = grad(sum(square(first!)), [logits]);
  return evaluate([rows, first!, second!], feeds);
}

describe("cross entropy in one op", () => {
  test.each([0, 0.1])(
    "equals separate ops to its second derivative, with smoothing %d",
    async (smoothing) => {
      const [one, separate] = await Promise.all([
        derivatives(crossEntropyRows, smoothing),
        derivatives(plainCrossEntropyRows, smoothing),
      ]);
      one.forEach((value, at) => {
        const expected = separate[at]!.toNumbers();
        value.toNumbers().forEach((number, index) => {
          expect(number).toBeCloseTo(expected[index]!, 10);
        });
      });
    },
  );

  test("stays exact where the label's probability underflows", async () => {
    const row = input("row", "float32", [1, 2]);
    const label = input("label", "int64", [1]);
    const [loss] = await evaluate([crossEntropyRows(row, label)], {
      row: Tensor.from("float32", [1, 2], [500, 0]),
      label: Tensor.from("int64", [1], [1]),
    });
    expect(loss!.toNumbers()).toEqual([500]);
  });

  test("refuses labels that are not one for each row", () => {
    expect(() => crossEntropyRows(logits, input("few", "int64", [4]))).toThrow(/logits \[N, C\] and labels/);
  });
});
