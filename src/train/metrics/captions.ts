/** Metrics of captions, each against several references, as the COCO evaluation gives them. */

import { corpusBleu } from "./bleu.ts";
import { captionWords } from "./caption-words.ts";
import { corpusCider } from "./cider.ts";

/** `cider_d` (0 to 10) and `bleu4` (0 to 100) of captions whose references stand at the same places. */
export function captionMetrics(
  captions: readonly string[],
  references: readonly (readonly string[])[],
): Record<string, number> {
  const words = captions.map(captionWords);
  const wanted = references.map((texts) => texts.map(captionWords));
  const joined = wanted.map((texts) => texts.map((text) => text.join(" ")));
  return {
    cider_d: corpusCider(words, wanted).score,
    bleu4: corpusBleu(
      words.map((text) => text.join(" ")),
      joined,
      "none",
    ).score,
  };
}
