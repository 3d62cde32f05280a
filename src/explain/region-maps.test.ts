import { expect, test } from "vitest";
import { mapOfLayer, patchPixels, patchSums, regionMaps } from "./region-maps.ts";

const size = { width: 4, height: 2 };

test("a word's map is the mean of its tokens, without the class token", () => {
  const looks = [
    { attention: [[0.2, 0.8, 0]], weighted: [[9, 1, 3]] },
    { attention: [[0.4, 0.2, 0.4]], weighted: [[9, 3, 1]] },
  ];
  const { attention, weighted } = regionMaps(looks, size);
  expect(attention).toEqual([{ title: "Layer 1", rows: 1, columns: 2, values: [0.5, 0.2] }]);
  expect(weighted[0]!.values).toEqual([2, 2]);
});

test("one layer is chosen, or all are averaged", () => {
  const maps = [
    [1, 3],
    [3, 5],
  ].map((values, at) => ({ title: `Layer ${at + 1}`, rows: 1, columns: 2, values }));
  expect(mapOfLayer(maps, 2).values).toEqual([3, 5]);
  expect(mapOfLayer(maps, undefined)).toMatchObject({ title: "All layers", values: [2, 4] });
  expect(() => mapOfLayer(maps, 3)).toThrow(/one of 1 to 2, got 3/);
});

test("pixels are added up over the patch that they lie in", () => {
  const patches = patchSums([1, 2, 3, 4, 5, 6, 7, 8], 3, size);
  expect(patches.values).toEqual([1 + 2 + 5 + 6, 3 + 4 + 7 + 8]);
  expect(patchPixels(patches, size)).toEqual([14, 14, 22, 22, 14, 14, 22, 22]);
});
