/** An explanation in a terminal: the text coloured by attribution, bars for its words, and the strongest links. */

import { type AttentionLink, ownMaps, strongestLinks } from "./attention.ts";
import type { Explanation } from "./explain.ts";
import { type ExplainedToken, wordSums, wordsOf } from "./tokens.ts";

/** Rows of each list. */
const shownRows = 8;
const barWidth = 24;

/** Backgrounds of the 256 colours, from faint to strong, under black letters: blue speaks for the target, orange against. */
const forColours = [189, 153, 117, 75];
const againstColours = [223, 216, 209, 208];

/** @param hasColour whether ANSI colours are shown */
export function showExplanation(explanation: Explanation, hasColour: boolean): string {
  const parts = [...attributionParts(explanation, hasColour), linksPart(explanation)];
  if (explanation.leftOut > 0)
    parts.push(`${explanation.leftOut} tokens beyond the longest input were not read`);
  return parts.join("\n\n");
}

function attributionParts({ tokens, attribution }: Explanation, hasColour: boolean): string[] {
  if (!attribution) return [];
  const { target, score, baselineScore, integratedGradients, baselineToken, completenessError, rollout } =
    attribution;
  const probability =
    target.probability === undefined ? "" : `, probability ${target.probability.toFixed(3)}`;
  return [
    `${target.label}: score ${score.toFixed(3)}${probability}`,
    paintText(tokens, integratedGradients, hasColour),
    `integrated gradients, from ${baselineScore.toFixed(3)} with ${baselineToken} for every word ` +
      `(error ${completenessError.toExponential(0)})\n${bars(tokens, integratedGradients, true)}`,
    `attention rollout\n${bars(tokens, rollout, false)}`,
  ];
}

/** The words one after the other; without colours, as the text has them. */
export function paintText(
  tokens: readonly ExplainedToken[],
  values: readonly number[],
  hasColour: boolean,
): string {
  const most = Math.max(...values.map(Math.abs), Number.MIN_VALUE);
  return tokens
    .map(
      ({ text, isApart }, at) =>
        `${isApart && at > 0 ? " " : ""}${hasColour ? paint(text, values[at]! / most) : text}`,
    )
    .join("");
}

/** @param strength from −1 to 1 */
function paint(text: string, strength: number): string {
  const scale = strength < 0 ? againstColours : forColours;
  const colour = scale[Math.ceil(Math.abs(strength) * scale.length - 0.5) - 1];
  return colour === undefined ? text : `\u001b[48;5;${colour}m\u001b[38;5;16m${text}\u001b[0m`;
}

/** Letters that take two columns of a terminal. */
const wideLetters =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/gu;

const columnsOf = (text: string): number => [...text].length + (text.match(wideLetters)?.length ?? 0);
const padTo = (columns: number, text: string): string => text + " ".repeat(columns - columnsOf(text));

/** The words that count most, with the sum of their pieces. */
export function bars(
  tokens: readonly ExplainedToken[],
  values: readonly number[],
  isSigned: boolean,
): string {
  const words = wordsOf(tokens);
  const sums = wordSums(tokens, values);
  const order = [...sums.keys()].sort((a, b) => Math.abs(sums[b]!) - Math.abs(sums[a]!)).slice(0, shownRows);
  const most = Math.abs(sums[order[0]!] ?? 0) || 1;
  const width = Math.max(...order.map((word) => columnsOf(words[word]!)));
  return order
    .map((word) => {
      const sum = sums[word]!;
      const bar = (sum < 0 ? "▒" : "█").repeat(Math.round((Math.abs(sum) / most) * barWidth));
      const number = `${isSigned && sum >= 0 ? "+" : ""}${sum.toFixed(3)}`;
      return `  ${padTo(width, words[word]!)}  ${number.padStart(7)}  ${bar}`.trimEnd();
    })
    .join("\n");
}

/** Links between different words; those of special tokens, where attention goes that is not needed, are left out. */
function linksPart({ attention, tokens }: Explanation): string {
  const words = wordsOf(tokens);
  const links = new Map<string, AttentionLink>(); // by pair of words
  for (const link of strongestLinks(ownMaps(attention))) {
    const [from, to] = [tokens[link.from]!, tokens[link.to]!];
    const pair = `${from.word} ${to.word}`;
    if (from.isSpecial || to.isSpecial || from.word === to.word || links.has(pair)) continue;
    links.set(pair, link);
    if (links.size === shownRows) break;
  }
  const rows = [...links.values()].map((link) => ({
    ...link,
    names: [link.from, link.to].map((at) => words[tokens[at]!.word]!),
  }));
  const widths = [0, 1].map((side) => Math.max(...rows.map(({ names }) => columnsOf(names[side]!))));
  const lines = rows.map(({ names, weight, layer, head }) => {
    const [from, to] = names.map((name, side) => padTo(widths[side]!, name));
    return `  ${from} → ${to}  ${weight.toFixed(3)}  layer ${layer + 1}, head ${head + 1}`;
  });
  return ["strongest attention", ...lines].join("\n");
}
