/** `tesserae explain` of a model that reads a picture and a text. */

import { RequestError } from "../errors.ts";
import { pairDocument } from "../explain/document.ts";
import { explainPair, type PairTask } from "../explain/pair-explain.ts";
import { pairExplanationHtml, pairExplanationPng } from "../explain/pair-page.ts";
import { showPairExplanation } from "../explain/pair-terminal.ts";
import { assertDrawable, draw } from "./explain-output.ts";
import { hasColour, type Output } from "./output.ts";

export interface PairExplainFlags {
  readonly out?: string;
  readonly task?: PairTask;
  readonly layer?: number;
  readonly steps?: number;
  readonly threads?: number;
}

/** @throws RequestError when `--out` is neither .png nor .html, or a layer is chosen of a model without cross-attention. */
export async function explainPictureText(
  { folder, ref }: { readonly folder: string; readonly ref: string },
  { picture, text }: { readonly picture: string; readonly text: string | undefined },
  { out, task, layer, steps, threads }: PairExplainFlags,
  output: Output,
): Promise<void> {
  assertDrawable(out);
  const explanation = await explainPair(folder, picture, {
    text,
    task,
    steps,
    ...(threads !== undefined && { threads }),
  });
  if (layer !== undefined && !explanation.regions) {
    throw new RequestError(
      `explain: ${explanation.architecture} reads picture and text apart, so no layer looks from one at the other; leave out --layer`,
    );
  }
  const shown = showPairExplanation(explanation, layer, hasColour(output.stdout));
  if (out !== undefined) {
    await draw(out, {
      png: () => pairExplanationPng(explanation, layer),
      html: () => pairExplanationHtml(ref, explanation, layer),
    });
  }
  const drawn = out === undefined ? "--out FILE.png or FILE.html draws it" : `drawn in ${out}`;
  output.result(pairDocument(explanation), `${shown}\n\n${drawn}`);
}
