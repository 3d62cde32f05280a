/** An explanation of a picture with a text in a terminal. */

import type { ImageMap } from "./image-maps.ts";
import type { PairExplanation, PairWord } from "./pair-explain.ts";
import { mapOfLayer } from "./region-maps.ts";
import { bars, paintText } from "./terminal.ts";

/** @param hasColour whether ANSI colours are shown */
export function showPairExplanation(
  explanation: PairExplanation,
  layer: number | undefined,
  hasColour: boolean,
): string {
  const { match, leftOut } = explanation;
  const parts = match ? matchParts(explanation, match, hasColour) : [captionLine(explanation)];
  const looks = lookLines(explanation, layer);
  if (looks.length > 0) parts.push(["weighted attention, strongest at", ...looks].join("\n"));
  if (leftOut > 0) parts.push(`${leftOut} tokens beyond the longest text were not read`);
  return parts.join("\n\n");
}

function matchParts(
  { tokens, architecture }: PairExplanation,
  { score, probability, tokens: gradients, baselineToken, pixels }: NonNullable<PairExplanation["match"]>,
  hasColour: boolean,
): string[] {
  const { integratedGradients, baselineScore, completenessError } = gradients;
  const chance =
    probability === undefined
      ? `logit ${score.toFixed(3)}`
      : `match ${probability.toFixed(3)}, log odds ${score.toFixed(3)}`;
  const plain = pixels ? `; ${pixels.baselineScore.toFixed(3)} for a plain picture` : "";
  return [
    `${architecture}: ${chance}${plain}`,
    paintText(tokens, integratedGradients, hasColour),
    `integrated gradients, from ${baselineScore.toFixed(3)} with ${baselineToken} for every word ` +
      `(error ${completenessError.toExponential(0)})\n${bars(tokens, integratedGradients, true)}`,
  ];
}

const captionLine = ({ text, isGenerated }: PairExplanation): string =>
  `${isGenerated ? "caption" : "given caption"}: ${text}`;

/** Each word with the patch that it looks at most. */
function lookLines({ words }: PairExplanation, layer: number | undefined): string[] {
  const widest = Math.max(0, ...words.map(({ text }) => text.length));
  return words.flatMap(({ text, regions, probability }: PairWord) => {
    if (!regions) return [];
    const chance = probability === undefined ? "" : `  ${probability.toFixed(3)}`;
    return [`  ${text.padEnd(widest)}${chance}  ${strongest(mapOfLayer(regions.weighted, layer))}`];
  });
}

function strongest({ rows, columns, values }: ImageMap): string {
  const at = values.indexOf(Math.max(...values));
  return `row ${Math.floor(at / columns) + 1} of ${rows}, column ${(at % columns) + 1} of ${columns}`;
}
