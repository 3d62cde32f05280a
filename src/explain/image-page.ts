/** An explanation of a picture's answer as one PNG file, and as one HTML page that loads nothing. */

import { encodePng } from "../vision/encode.ts";
import type { RgbImage } from "../vision/image.ts";
import { sideBySide } from "../vision/paste.ts";
import { escapeHtml, explanationPage } from "./html-page.ts";
import { drawAttribution, drawMap } from "./image-drawing.ts";
import type { ImageExplanation } from "./image-explain.ts";

/** Small pictures are enlarged to at least this height in pixels. */
const leastHeight = 224;

const enlargement = ({ height }: RgbImage): number => Math.max(1, Math.floor(leastHeight / height));

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

const figureStyle = `
.figures { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .875rem; color: var(--soft); }
figure img { display: block; border-radius: 4px; image-rendering: pixelated; max-width: 100%; }
`;

const show = (value: number): string => value.toFixed(3).replace("-", "−");

async function answerSection({ picture, attribution }: ImageExplanation): Promise<string> {
  const original = await figure(picture, "As the model reads it");
  if (!attribution) return section("Picture", "", [original]);
  const { label, probability, score, baselineScore, completenessError, integratedGradients } = attribution;
  const note =
    `score ${show(score)}; ${show(baselineScore)} for a black picture. Integrated gradients: blue pixels ` +
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

const section = (title: string, note: string, figures: readonly string[]): string =>
  `<section><h2>${title}</h2><p class="hint">${note}</p><div class="figures">${figures.join("\n")}</div></section>`;

async function figure(image: RgbImage, caption: string): Promise<string> {
  const png = await encodePng(image, enlargement(image));
  const data = Buffer.from(png).toString("base64");
  return `<figure><img alt="${escapeHtml(caption)}" src="data:image/png;base64,${data}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}
