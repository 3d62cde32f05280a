import { describe, expect, test } from "vitest";
import { ConfigError } from "../errors.ts";
import { holdOutEnd, labelsOf, splitExamples } from "./labels.ts";

describe("labelsOf", () => {
  const single = (...labels: string[]) => labels.map((label) => ({ label }));

  test("sorts by number where all are integers, else by name", () => {
    expect(labelsOf(single("10", "9", "-1", "9"))).toEqual(["-1", "9", "10"]);
    expect(labelsOf(single("10", "9", "x"))).toEqual(["10", "9", "x"]);
  });

  test("collects lists and tags, and no numbers to predict", () => {
    expect(labelsOf([{ label: ["b", "a"] }, { label: [] }, { label: ["c"] }])).toEqual(["a", "b", "c"]);
    expect(labelsOf([{ tags: ["O", "B-X"] }, { tags: ["O"] }])).toEqual(["B-X", "O"]);
    expect(labelsOf([{ label: 1.5 }])).toEqual([]);
  });
});

describe("splitExamples", () => {
  const examples = Array.from({ length: 100 }, (_, i) => i);

  test("holds every example once, in order, and repeats for a seed", () => {
    const { train, validation } = splitExamples(examples, 0.2, 1);
    expect(validation).toHaveLength(20);
    expect([...train, ...validation].sort((a, b) => a - b)).toEqual(examples);
    expect(validation).toEqual([...validation].sort((a, b) => a - b));
    expect(splitExamples(examples, 0.2, 1)).toEqual({ train, validation });
    expect(splitExamples(examples, 0.2, 2).validation).not.toEqual(validation);
  });

  test("refuses to leave a part empty", () => {
    for (const fraction of [0, 1, 0.001, Number.NaN]) {
      expect(() => splitExamples(examples, fraction, 1)).toThrow(ConfigError);
    }
  });
});

describe("holdOutEnd", () => {
  const documents = [{ sentences: ["a", "b", "c"] }, { sentences: ["d"] }, { sentences: ["e", "f"] }];

  test("takes the last sentences, cutting a document in two where the share ends inside it", () => {
    expect(holdOutEnd(documents, 0.2)).toEqual({
      train: [documents[0], documents[1], { sentences: ["e"] }],
      validation: [{ sentences: ["f"] }],
    });
    expect(holdOutEnd(documents, 0.5)).toEqual({ train: [documents[0]], validation: documents.slice(1) });
  });

  test("refuses to leave a part empty", () => {
    for (const fraction of [0, 1, 0.01, Number.NaN]) {
      expect(() => holdOutEnd(documents, fraction)).toThrow(ConfigError);
    }
  });
});
