import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { readExamples } from "./read-examples.ts";
import { tagsOfSpans } from "./spans.ts";

const folder = useTemporaryFolder();

test("words get the tags of the spans they lie in, the first of each a B", () => {
  const text = "Play  Miles Davis, now!";
  expect(tagsOfSpans(text, [{ start: 6, end: 17, slot: "artist" }])).toEqual({
    tokens: ["Play", "Miles", "Davis", ",", "now", "!"],
    tags: ["O", "B-artist", "I-artist", "O", "O", "O"],
  });
});

test("words are cut where a span begins or ends within them, and emoji count as one character", () => {
  expect(tagsOfSpans("😀 preNAMEpost", [[5, 9, "X"]])).toEqual({
    tokens: ["😀", "pre", "NAME", "post"],
    tags: ["O", "O", "B-X", "O"],
  });
});

test.each([
  [[{ start: 0, end: 99, label: "X" }], /in the text of 5 characters, got 0 to 99/],
  [[{ start: 2, end: 2, label: "X" }], /got 2 to 2/],
  [[{ start: 0, end: 2 }], /must have start, end and label/],
  [
    [
      { start: 0, end: 3, label: "X" },
      { start: 2, end: 4, label: "Y" },
    ],
    /must not overlap/,
  ],
  ["O O", /must be a list/],
])("spans %j are refused", (spans, message) => {
  expect(() => tagsOfSpans("a bcd", spans)).toThrow(message);
});

test("a JSONL file of texts with spans is read for token-classification, its bad rows named", async () => {
  const path = join(folder, "slots.jsonl");
  const rows = [
    { text: "rate it five", intent: "Rate", slots: [{ start: 8, end: 12, slot: "rating" }] },
    { text: "rate it", intent: "Rate", slots: [{ start: 8, end: 12, slot: "rating" }] },
  ];
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  const { examples, badRows } = await readExamples("token-classification", path);
  expect(examples).toEqual([{ tokens: ["rate", "it", "five"], tags: ["O", "O", "B-rating"] }]);
  expect(badRows).toEqual([expect.objectContaining({ line: 2, reason: expect.stringContaining("8 to 12") })]);
});
