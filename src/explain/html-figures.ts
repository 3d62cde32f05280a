/** Pictures in an explanation's page. */

import { encodePng } from "../vision/encode.ts";
import type { RgbImage } from "../vision/image.ts";
import { escapeHtml } from "./html-page.ts";

/** CSS beside that of every page. */
export const figureStyle = `
.figures { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .875rem; color: var(--soft); }
figure img { display: block; border-radius: 4px; image-rendering: pixelated; max-width: 100%; }
`;

/** Small pictures are enlarged to at least this height in pixels. */
const leastHeight = 224;

export const enlargement = ({ height }: Pick<RgbImage, "height">): number =>
  Math.max(1, Math.floor(leastHeight / height));

/** A section of the page; all of it is HTML. */
export const section = (title: string, note: string, figures: readonly string[]): string =>
  `<section><h2>${title}</h2><p class="hint">${note}</p><div class="figures">${figures.join("\n")}</div></section>`;

export async function figure(image: RgbImage, caption: string): Promise<string> {
  const png = await encodePng(image, enlargement(image));
  const data = Buffer.from(png).toString("base64");
  return `<figure><img alt="${escapeHtml(caption)}" src="data:image/png;base64,${data}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

/** A score with a true minus sign. */
export const showScore = (value: number): string => value.toFixed(3).replace("-", "−");
