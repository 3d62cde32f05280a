import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluate } from "../../test/support/evaluate.ts";
import { input, type Node } from "../graph/node.ts";
import { symbol } from "../tensor/dims.ts";
import { Tensor } from "../tensor/tensor.ts";
import { foldPixels, normalizePatches, patchify, unfoldPixels, unpatchify } from "./patches.ts";
import { gridSinusoids } from "./positions-grid.ts";
import { relativePositionIndex, shiftMap, shiftMask, windowPartition, windowReverse } from "./windows.ts";

/** An image of symbolic batch size whose values are 0, 1, 2, … */
function counted(shape: readonly [number, number, number, number]): { x: Node; feeds: { x: Tensor } } {
  const size = shape.reduce((product, axis) => product * axis, 1);
  const values = Tensor.from(
    "float32",
    shape,
    Array.from({ length: size }, (_, i) => i),
  );
  return { x: input("x", "float32", [symbol("batch"), ...shape.slice(1)]), feeds: { x: values } };
}

const small = fc.integer({ min: 1, max: 3 });

describe("patches", () => {
  test("are put back by the inverse of what took them apart, whatever the sizes", async () => {
    const layouts = fc.constantFrom("channels-first", "channels-last");
    await fc.assert(
      fc.asyncProperty(
        small,
        small,
        small,
        small,
        layouts,
        async (batch, channels, rows, columns, layout) => {
          const [height, width] = [rows * 2, columns * 2];
          const { x, feeds } = counted([batch, channels, height, width] as const);
          const [patched, folded] = await evaluate(
            [
              unpatchify(
                patchify(x, 2, layout as "channels-first"),
                [height, width],
                2,
                layout as "channels-first",
              ),
              foldPixels(unfoldPixels(x, 2), [height, width], 2),
            ],
            feeds,
          );
          expect(patched).toEqual(feeds.x);
          expect(folded).toEqual(feeds.x);
        },
      ),
      { numRuns: 20 },
    );
  });

  test("hold channel, row, column or row, column, channel", async () => {
    const { x, feeds } = counted([1, 2, 2, 4]);
    const [first, last] = await evaluate(
      [patchify(x, 2, "channels-first"), patchify(x, 2, "channels-last")],
      feeds,
    );
    expect(first!.toNumbers()).toEqual([0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15]);
    expect(last!.toNumbers()).toEqual([0, 8, 1, 9, 4, 12, 5, 13, 2, 10, 3, 11, 6, 14, 7, 15]);
  });

  test("normalised have the variance 1 of n − 1 values", async () => {
    const { x, feeds } = counted([1, 1, 2, 4]);
    const [patches] = await evaluate([normalizePatches(patchify(x, 2, "channels-last"))], feeds);
    const row = patches!.toNumbers().slice(0, 4);
    expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 5);
    expect(row.reduce((sum, value) => sum + value ** 2, 0) / 3).toBeCloseTo(1, 5);
  });

  test("must tile the image", () => {
    const { x } = counted([1, 1, 4, 6]);
    expect(() => patchify(x, 4, "channels-first")).toThrow(
      /patches of 4 pixels must tile the image, got 6 × 4/,
    );
    expect(() => foldPixels(x, [5, 4], 2)).toThrow(/must tile/);
  });
});

describe("windows", () => {
  test("shifted, cut, joined and shifted back are the map", async () => {
    const { x, feeds } = counted([2, 6, 9, 2]);
    const joined = windowReverse(windowPartition(shiftMap(x, 1), 3), [6, 9]);
    expect(await evaluate([shiftMap(joined, -1)], feeds)).toEqual([feeds.x]);
  });

  test("must tile the map", () => {
    expect(() => windowPartition(counted([1, 4, 6, 1]).x, 4)).toThrow(/windows of 4 × 4 must tile the map/);
  });

  test("are masked where the shift brought pixels together from opposite edges", () => {
    const mask = shiftMask([4, 4], 2, 1);
    const window = (at: number): number[] => mask.toNumbers().slice(at * 16, at * 16 + 16);
    expect(window(0)).toEqual(Array(16).fill(0));
    const rightEdge = [0, -100, 0, -100, -100, 0, -100, 0, 0, -100, 0, -100, -100, 0, -100, 0];
    expect(window(1)).toEqual(rightEdge);
    expect(window(3).filter((value) => value === 0)).toHaveLength(4);
  });

  test("number relative positions by rows and columns between pixels", () => {
    const index = relativePositionIndex(2).toNumbers();
    expect(index).toEqual([4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4]);
  });
});

describe("sinusoids of a grid", () => {
  test("have the column before the row, and zeros for the class token", () => {
    const table = gridSinusoids(8, [2, 3], 1);
    const row = (at: number): number[] => table.toNumbers().slice(at * 8, at * 8 + 8);
    expect(table.shape).toEqual([7, 8]);
    expect(row(0)).toEqual(Array(8).fill(0));
    const [column, line] = [2, 1]; // the last place
    const angles = [column, line].map((at) => [at, at / 100]);
    const expected = angles.flatMap((pair) => [...pair.map(Math.sin), ...pair.map(Math.cos)]);
    for (const [i, value] of expected.entries()) expect(row(6)[i]).toBeCloseTo(value, 6);
  });

  test("need a width that 4 divides", () => {
    expect(() => gridSinusoids(6, [2, 2], 1)).toThrow(/multiple of 4, got 6/);
  });
});
