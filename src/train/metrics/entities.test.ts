import { describe, expect, test } from "vitest";
import { entitiesOf, entityScores } from "./entities.ts";

describe("entities", () => {
  test("run from B- over I- of the same type", () => {
    expect(entitiesOf(["B-PER", "I-PER", "O", "B-LOC", "B-LOC"])).toEqual([
      { type: "PER", start: 0, end: 2 },
      { type: "LOC", start: 3, end: 4 },
      { type: "LOC", start: 4, end: 5 },
    ]);
  });

  test("start with I- after O and where the type changes, as in conlleval", () => {
    expect(entitiesOf(["O", "I-PER", "I-LOC", "I-LOC"])).toEqual([
      { type: "PER", start: 1, end: 2 },
      { type: "LOC", start: 2, end: 4 },
    ]);
  });

  test("of the IOBES scheme end with E- and S-", () => {
    expect(entitiesOf(["B-X", "E-X", "E-X", "S-X", "I-X"]).map(({ start, end }) => [start, end])).toEqual([
      [0, 2],
      [2, 3],
      [3, 4],
      [4, 5],
    ]);
  });

  test("types may hold hyphens", () => {
    expect(entitiesOf(["B-creative-work", "I-creative-work"])).toEqual([
      { type: "creative-work", start: 0, end: 2 },
    ]);
  });
});

/**
 * seqeval's default mode, stated as it states it: whether an entity ends before a tag and whether one starts at it, by
 * the prefixes and types of the tag and of the one before. (IOB1 and IOB2 are read alike, IOBES too.)
 */
function entitiesBySeqeval(tags: readonly string[]): { type: string; start: number; end: number }[] {
  const ends = new Set(["BB", "BS", "BO", "IB", "IS", "IO"]);
  const starts = new Set(["EE", "EI", "SE", "SI", "OE", "OI"]);
  const found: { type: string; start: number; end: number }[] = [];
  let [before, typeBefore, begin] = ["O", "", 0];
  for (const [at, tag] of [...tags, "O"].entries()) {
    const [prefix, type] = [tag[0]!, tag.slice(2)];
    const isOther = type !== typeBefore;
    const isEnd = ends.has(before + prefix) || "ES".includes(before) || (before !== "O" && isOther);
    const isStart = "BS".includes(prefix) || starts.has(before + prefix) || (prefix !== "O" && isOther);
    if (isEnd) found.push({ type: typeBefore, start: begin, end: at });
    if (isStart) begin = at;
    [before, typeBefore] = [prefix, type];
  }
  return found;
}

describe("seqeval's rules", () => {
  const tags = [
    "O",
    ...["X", "Y"].flatMap((type) => ["B", "I", "E", "S"].map((prefix) => `${prefix}-${type}`)),
  ];

  test("give the same entities for every sequence of up to 4 tags of IOB1, IOB2 and IOBES", () => {
    let sequences: string[][] = [[]];
    for (let length = 1; length <= 4; length++) {
      sequences = sequences.flatMap((sequence) => tags.map((tag) => [...sequence, tag]));
      const odd = sequences.find(
        (sequence) => JSON.stringify(entitiesOf(sequence)) !== JSON.stringify(entitiesBySeqeval(sequence)),
      );
      expect(odd).toBeUndefined();
    }
  });
});

describe("entity F1", () => {
  test("agrees with the example of seqeval's manual", () => {
    const actual = [
      ["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"],
      ["B-PER", "I-PER", "O"],
    ];
    const predicted = [
      ["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"],
      ["B-PER", "I-PER", "O"],
    ];
    expect(entityScores(predicted, actual)).toEqual({ precision: 0.5, recall: 0.5, f1: 0.5 });
  });

  test("needs the type and both ends", () => {
    const actual = [["B-PER", "I-PER", "O", "B-LOC"]];
    const predicted = [["B-PER", "O", "B-ORG", "B-LOC"]];
    const { precision, recall, f1 } = entityScores(predicted, actual);
    expect([precision, recall]).toEqual([1 / 3, 1 / 2]);
    expect(f1).toBeCloseTo(0.4, 12);
  });

  test("is 0 where there is nothing to find and nothing found", () => {
    expect(entityScores([["O"]], [["O"]])).toEqual({ precision: 0, recall: 0, f1: 0 });
  });
});
