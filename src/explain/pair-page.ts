/** An explanation of a picture with a text as one PNG file, and as one HTML page that loads nothing. */

import { drawSheet } from "../vision/contact-sheet.ts";
import { enlargement, figure, figureStyle, section, showScore } from "./html-figures.ts";
import { escapeHtml, explanationPage } from "./html-page.ts";
import type { PairExplanation } from "./pair-explain.ts";
import { pairFigures, wordLabel } from "./pair-figures.ts";

/** @param layer of cross-attention, from 1; default: the mean of all. @throws RequestError for one that is not there. */
export function pairExplanationPng(explanation: PairExplanation, layer?: number): Promise<Uint8Array> {
  return drawSheet(pairFigures(explanation, layer), enlargement(explanation.picture));
}

/** The same as a page; `model` is the name it shows. */
export async function pairExplanationHtml(
  model: string,
  explanation: PairExplanation,
  layer?: number,
): Promise<string> {
  const { architecture, task } = explanation;
  const sections = pairFigures(explanation, layer).map(async ({ title, note, tiles }) => {
    const figures = await Promise.all(tiles.map(({ image, label }) => figure(image, label)));
    return section(escapeHtml(title), escapeHtml(note), figures);
  });
  const body = `<main>
${textSection(explanation)}
${(await Promise.all(sections)).join("\n")}
</main>`;
  return explanationPage({ model, architecture, task, body, style: figureStyle });
}

function textSection(explanation: PairExplanation): string {
  const { isGenerated, leftOut } = explanation;
  const origin = isGenerated ? "Caption by the model. " : "";
  const rest = leftOut > 0 ? ` ${leftOut} tokens beyond the longest text were not read.` : "";
  const note = origin + escapeHtml(noteOf(explanation)) + rest;
  return `<section><p class="text">${colouredText(explanation)}</p><p class="hint">${note}</p></section>`;
}

function noteOf({ match }: PairExplanation): string {
  if (!match) return "Under the pointer: the probability of each word behind those before it.";
  const { score, probability, tokens, baselineToken } = match;
  const answer =
    probability === undefined
      ? `Logit ${showScore(score)}`
      : `Match ${(probability * 100).toFixed(1)} %, log odds ${showScore(score)}`;
  return (
    `${answer}; ${showScore(tokens.baselineScore)} with ${baselineToken} for every word. Integrated gradients: blue words ` +
    `speak for the match, orange ones against it; they add up to the difference, with an error of ${tokens.completenessError.toExponential(1)}.`
  );
}

/** The text with its words coloured by their part in the score, from full blue to full orange. */
function colouredText({ text, words }: PairExplanation): string {
  const most = Math.max(1e-12, ...words.map(({ contribution = 0 }) => Math.abs(contribution)));
  let end = 0;
  const parts = words.map((word) => {
    const { contribution = 0 } = word;
    const between = escapeHtml(text.slice(end, word.start));
    end = word.end;
    const colour = contribution < 0 ? "--against" : "--for";
    const share = Math.round((Math.abs(contribution) / most) * 72);
    const style = `background: color-mix(in srgb, var(${colour}) ${share}%, transparent)`;
    return `${between}<span class="token first last" title="${escapeHtml(wordLabel(word))}" style="${style}">${escapeHtml(word.text)}</span>`;
  });
  return parts.join("") + escapeHtml(text.slice(end));
}
