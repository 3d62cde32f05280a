import { Script } from "node:vm";
import { beforeAll, describe, expect, test } from "vitest";
import { documentOf } from "./document.ts";
import { type Explanation, explain } from "./explain.ts";
import { explanationHtml } from "./html.ts";
import { showExplanation } from "./terminal.ts";

const text = 'a wonderfully unflinching <b>&"</script> film , never boring';
let explanation: Explanation;
beforeAll(async () => {
  explanation = await explain("sst2", text);
});

describe("the page", () => {
  const dataOf = (html: string) => JSON.parse(/id="data">(.*?)<\/script>/s.exec(html)![1]!);

  test("holds every value of every map to 16 bits", () => {
    const { stacks } = dataOf(explanationHtml("sst2", explanation));
    for (const [at, { probabilities }] of explanation.attention.entries()) {
      const { values, shape } = stacks[0].layers[at];
      expect(shape).toEqual(probabilities.shape);
      const { buffer, byteOffset } = Buffer.from(values, "base64");
      const stored = [...new Uint16Array(buffer.slice(byteOffset, byteOffset + probabilities.size * 2))];
      const worst = Math.max(
        ...probabilities.toNumbers().map((value, i) => Math.abs(value - stored[i]! / 65535)),
      );
      expect(worst).toBeLessThan(1 / 65535);
    }
  });

  test("shows text and names as they are, without a way out of the markup", () => {
    const html = explanationHtml('<img src="x">', explanation);
    expect(html).toContain("&#60;img src=&#34;x&#34;&#62;");
    expect(html).not.toContain("<img");
    expect(html.match(/<\/script>/g)).toHaveLength(2);
    const { tokens } = dataOf(html);
    expect(tokens.map((token: { text: string }) => token.text).join("")).toContain('<b>&"</script>');
  });

  test("loads nothing, and its scripts are well formed", () => {
    const html = explanationHtml("sst2", explanation);
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/https?:\/\/|src=|@import|url\(/);
    const [, script] = /<script>(.*)<\/script>/s.exec(html)!;
    expect(() => new Script(script!)).not.toThrow();
  });

  test("of a model without scores has no answer to show", () => {
    const { attribution: _, ...others } = explanation;
    const html = explanationHtml("bare", others);
    expect(html).not.toContain('id="methods"');
    expect(dataOf(html).methods).toBeUndefined();
  });
});

describe("the terminal", () => {
  test("shows the text, its words with the sums of their pieces, and links between words", () => {
    const shown = showExplanation(explanation, false);
    const { integratedGradients } = explanation.attribution!;
    const pieces = [...explanation.tokens.entries()].filter(([, { word }]) => word === 3);
    const sum = pieces.reduce((total, [at]) => total + integratedGradients[at]!, 0);
    expect(pieces.length).toBeGreaterThan(1);
    expect(shown).toContain(`[CLS] ${text} [SEP]`);
    expect(shown).toMatch(new RegExp(`unflinching +\\${sum < 0 ? "" : "+"}${sum.toFixed(3)} `));
    expect(shown).toMatch(/\w+ +→ +\S+ +0\.\d{3} {2}layer [12], head [1-4]/);
    expect(shown).not.toContain("\u001b");
  });

  test("lines up numbers beside letters of two columns", () => {
    const tokens = explanation.tokens.map((token, at) => ({
      ...token,
      text: at % 2 ? "书写" : "four",
      word: at,
    }));
    const rows = showExplanation({ ...explanation, tokens }, false).match(/^ {2}(书写|four) +[+-].*█/gm)!;
    const kinds = new Set(rows.map((row) => /^ +\S+ +/.exec(row)![0]!));
    expect([...kinds].sort()).toEqual(["  four   ", "  书写   "]);
  });

  test("colours words for and against the answer where colours are shown", () => {
    const shown = showExplanation(explanation, true);
    expect(shown).toContain("m\u001b[38;5;16mboring\u001b[0m");
  });
});

test("the document has nested lists of numbers with 6 digits", () => {
  const document = JSON.parse(JSON.stringify(documentOf(explanation))) as {
    attention: { probabilities: number[][][] }[];
    rollout: number[][];
    attribution: { score: number };
  };
  const { probabilities } = explanation.attention[1]!;
  const [heads, length] = probabilities.shape as [number, number];
  expect(document.attention[1]!.probabilities).toHaveLength(heads);
  expect(document.attention[1]!.probabilities[3]![2]![1]).toBeCloseTo(
    probabilities.toNumbers()[(3 * length + 2) * length + 1]!,
    6,
  );
  expect(document.rollout.map((row) => row.length)).toEqual(Array.from({ length }, () => length));
  expect(String(document.attribution.score).replace(/[-.]/g, "").length).toBeLessThanOrEqual(7);
});
