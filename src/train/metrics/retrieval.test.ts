import { describe, expect, test } from "vitest";
import { retrievalRecall } from "./retrieval.ts";

describe("recall of retrieval", () => {
  test("counts ranks by hand, with several texts of an image", () => {
    // Texts 0 and 1 belong to image 0, text 2 to image 1; rows are texts.
    const scores = [
      [0.9, 0.1],
      [0.2, 0.4],
      [0.8, 0.3],
    ];
    const found = retrievalRecall([0, 0, 1], 2, (text) => scores[text]!);
    expect(found["text_to_image_recall@1"]).toBeCloseTo(1 / 3); // text 0 alone finds its image first
    expect(found["image_to_text_recall@1"]).toBeCloseTo(1 / 2); // image 0's best is text 0; image 1's is text 1
    expect(found["text_to_image_recall@5"]).toBe(1);
    expect(found.mean_recall).toBeCloseTo((1 / 3 + 1 + 1 + 1 / 2 + 1 + 1) / 6);
  });

  test("is 0 at 1 for a model that scores everything alike", () => {
    const found = retrievalRecall([0, 1, 2], 3, () => [0, 0, 0]);
    expect(found["text_to_image_recall@1"]).toBe(0);
    expect(found["image_to_text_recall@1"]).toBe(0);
  });
});
