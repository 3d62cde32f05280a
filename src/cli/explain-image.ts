/** `tesserae explain` of a model that reads pictures. */

import { explainImage, type ImageExplanation } from "../explain/image-explain.ts";
import { imageExplanationHtml, imageExplanationPng } from "../explain/image-page.ts";
import { assertDrawable, draw } from "./explain-output.ts";
import type { Output } from "./output.ts";

export interface ImageExplainFlags {
  readonly out?: string;
  readonly target?: string;
  readonly steps?: number;
  readonly threads?: number;
}

/** @throws RequestError when `--out` is neither .png nor .html. */
export async function explainPicture(
  { folder, ref }: { readonly folder: string; readonly ref: string },
  picture: string,
  { out, target, steps, threads }: ImageExplainFlags,
  output: Output,
): Promise<void> {
  assertDrawable(out);
  const options = { target, steps, ...(threads !== undefined && { threads }) };
  const explanation = await explainImage(folder, picture, options);
  if (out !== undefined) {
    await draw(out, {
      png: () => imageExplanationPng(explanation),
      html: () => imageExplanationHtml(ref, explanation),
    });
  }
  const { picture: shown, ...numbers } = explanation;
  output.result({ ...numbers, width: shown.width, height: shown.height }, textOf(explanation, out));
}

function textOf({ attribution, architecture }: ImageExplanation, out: string | undefined): string {
  const answer = attribution
    ? `${attribution.label}  ${attribution.probability.toFixed(4)}  score ${attribution.score.toFixed(3)}, ` +
      `${attribution.baselineScore.toFixed(3)} for a black picture`
    : `${architecture} scores no classes`;
  return out === undefined ? `${answer}\n--out FILE.png or FILE.html draws it` : `${answer}\ndrawn in ${out}`;
}
