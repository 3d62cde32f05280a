import { describe, expect, test } from "vitest";
import { ConfigError } from "../errors.ts";
import { bucketByLength, padBatch } from "./batch.ts";

const encodings = [
  { ids: [5, 6, 7], typeIds: [0, 0, 1] },
  { ids: [8], typeIds: [0] },
];

describe("padBatch", () => {
  test("pads on the right to the longest", () => {
    const batch = padBatch(encodings, { padId: 9 });
    expect(batch.input_ids.shape).toEqual([2, 3]);
    expect(batch.input_ids.dtype).toBe("int64");
    expect(batch.input_ids.toNumbers()).toEqual([5, 6, 7, 8, 9, 9]);
    expect(batch.attention_mask.toNumbers()).toEqual([1, 1, 1, 1, 0, 0]);
    expect(batch.token_type_ids.toNumbers()).toEqual([0, 0, 1, 0, 0, 0]);
  });

  test("pads on the left on request", () => {
    const batch = padBatch(encodings, { padId: 9, side: "left" });
    expect(batch.input_ids.toNumbers()).toEqual([5, 6, 7, 9, 9, 8]);
    expect(batch.attention_mask.toNumbers()).toEqual([1, 1, 1, 0, 0, 1]);
  });

  test("rounds the length up, or takes the one that is given", () => {
    expect(padBatch(encodings, { padId: 0, multipleOf: 8 }).input_ids.shape).toEqual([2, 8]);
    expect(padBatch(encodings, { padId: 0, length: 4 }).input_ids.shape).toEqual([2, 4]);
    expect(() => padBatch(encodings, { padId: 0, length: 2 })).toThrow(ConfigError);
  });
});

describe("bucketByLength", () => {
  const lengths = [30, 2, 9, 1, 31, 8, 100];
  const self = (length: number) => length;

  test("groups similar lengths and holds every index once", () => {
    const groups = bucketByLength(lengths, self, { batchSize: 2 });
    expect(groups).toEqual([[3, 1], [5, 2], [0, 4], [6]]);
  });

  test("keeps padded groups under the token budget, save for one long item", () => {
    const groups = bucketByLength(lengths, self, { maxBatchTokens: 64, multipleOf: 8 });
    expect(groups.flat().sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    for (const group of groups.filter(({ length }) => length > 1)) {
      const longest = Math.max(...group.map((index) => Math.ceil(lengths[index]! / 8) * 8));
      expect(group.length * longest).toBeLessThanOrEqual(64);
    }
    expect(groups.at(-1)).toEqual([6]);
  });
});
