/** An explanation of a picture's answer as one PNG file, and as one HTML page that loads nothing. */

import { encodePng } from "../vision/encode.ts";
import { sideBySide } from "../vision/paste.ts";
import { enlargement, figure, figureStyle, section, showScore } from "./html-figures.ts";
import { escapeHtml, explanationPage } from "./html-page.ts";
import { drawAttribution, drawMap } from "./image-drawing.ts";
import type { ImageExplanation } from "./image-explain.ts";

/** The picture, its attribution, and its rollout or else the attention of the last block: side by side. */
export function imageExplanationPng(explanation: ImageExplanation): Promise<Uint8Array> {
  const { picture, attention, windows, attribution } = explanation;
  const map = attention?.rollout ?? windows.at(-1);
  const row = [
    picture,
    ...(attribution ? [drawAttribution(picture, attribution.integratedGradients)] : []),
    ...(map ? [drawMap(picture, map)] : []),
  ];
  return encodePng(sideBySide(row), enlargement(picture));
}

/** The page of an explanation; `model` is the name it shows. */
export async function imageExplanationHtml(model: string, explanation: ImageExplanation): Promise<string> {
  const { architecture, task } = explanation;
  const body = `<main>
${await answerSection(explanation)}
${await attentionSection(explanation)}
</main>`;
  return explanationPage({ model, architecture, task, body, style: figureStyle });
}

async function answerSection({ picture, attribution }: ImageExplanation): Promise<string> {
  const original = await figure(picture, "As the model reads it");
  if (!attribution) return section("Picture", "", [original]);
  const { label, probability, score, baselineScore, completenessError, integratedGradients } = attribution;
  const note =
    `score ${showScore(score)}; ${showScore(baselineScore)} for a black picture. Integrated gradients: blue pixels ` +
    `speak for the answer, orange ones against it; they add up to the difference, with an error of ${completenessError.toExponential(1)}.`;
  return section(`${escapeHtml(label)} ${(probability * 100).toFixed(1)} %`, note, [
    original,
    await figure(drawAttribution(picture, integratedGradients), "Integrated gradients"),
  ]);
}

async function attentionSection({ picture, attention, windows }: ImageExplanation): Promise<string> {
  const figures = (maps: ImageExplanation["windows"]): Promise<string[]> =>
    Promise.all(maps.map((map) => figure(drawMap(picture, map), map.title)));
  if (attention) {
    const note =
      "What the positions attend to that the answer is read from, mean of the heads; the strongest patch is brightest. " +
      "Rollout multiplies the layers, half of each being its skip connection.";
    return section("Attention", note, await figures([attention.rollout, ...attention.layers]));
  }
  if (windows.length > 0) {
    const note =
      "How much each cell is attended to within its window, mean of the heads. Attention ends at the lines, so values of " +
      "two windows do not compare, and it cannot be followed through the layers: there is no rollout.";
    return section("Attention within windows", note, await figures(windows));
  }
  const none =
    "The attention of this architecture is not among the patches of the picture, so it is not drawn.";
  return section("Attention", none, []);
}
