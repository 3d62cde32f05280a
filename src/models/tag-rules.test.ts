import { describe, expect, test } from "vitest";
import { ConfigError } from "../errors.ts";
import { tagRules } from "./tag-rules.ts";

/** Which tags may follow each tag; "^" begins a text and "$" ends it. */
function followers(names: readonly string[], scheme: "bio" | "bioes"): Record<string, string> {
  const { transitions, start, end } = tagRules(names, scheme)!;
  const allowed = (row: readonly boolean[]): string[] => names.filter((_, at) => row[at]);
  const rows = names.map((name, at) => [name, [...allowed(transitions[at]!), ...(end[at] ? ["$"] : [])]]);
  return Object.fromEntries(
    [["^", allowed(start)], ...rows].map(([name, list]) => [name, (list as string[]).join(" ")]),
  );
}

describe("tag rules", () => {
  test("BIO: I- follows B- and I- of its type only", () => {
    expect(followers(["O", "B-X", "I-X", "B-Y", "I-Y"], "bio")).toEqual({
      "^": "O B-X B-Y",
      O: "O B-X B-Y $",
      "B-X": "O B-X I-X B-Y $",
      "I-X": "O B-X I-X B-Y $",
      "B-Y": "O B-X B-Y I-Y $",
      "I-Y": "O B-X B-Y I-Y $",
    });
  });

  test("BIOES: an entity is closed by E- of its type, S- stands alone", () => {
    expect(followers(["O", "B-X", "I-X", "E-X", "S-X", "S-Y"], "bioes")).toEqual({
      "^": "O B-X S-X S-Y",
      O: "O B-X S-X S-Y $",
      "B-X": "I-X E-X",
      "I-X": "I-X E-X",
      "E-X": "O B-X S-X S-Y $",
      "S-X": "O B-X S-X S-Y $",
      "S-Y": "O B-X S-X S-Y $",
    });
  });

  test("types may hold hyphens", () => {
    expect(followers(["O", "B-creative-work", "I-creative-work"], "bio")["^"]).toBe("O B-creative-work");
  });

  test("none are no rules", () => {
    expect(tagRules(["anything"], "none")).toBeUndefined();
  });

  test.each([
    ["E-X", "bio"],
    ["PER", "bio"],
    ["B-", "bioes"],
    ["U-X", "bioes"],
  ] as const)("refuse the tag %s in %s", (name, scheme) => {
    expect(() => tagRules(["O", name], scheme)).toThrow(ConfigError);
    expect(() => tagRules(["O", name], scheme)).toThrow(`got "${name}"`);
  });
});
