/**
 * A linear-chain CRF over the labels of any family's token classifier. Huang et al. 2015,
 * https://arxiv.org/abs/1508.01991
 * B batch, T tokens, C labels.
 */

import { z } from "zod";
import { broadcastTo, div, neg, sum } from "../graph/ops/core.ts";
import { maximum } from "../graph/ops/math.ts";
import { cast, notEqual } from "../graph/ops/select.ts";
import { unsqueeze } from "../graph/ops/shape.ts";
import type { Context } from "../nn/context.ts";
import { Crf } from "../nn/crf.ts";
import type { Init } from "../nn/module.ts";
import { architecturesOf, type Family, tokenLabels } from "./family.ts";
import type { Architecture, Inputs, Model, Outputs } from "./model.ts";
import { tagRules, tagSchemes } from "./tag-rules.ts";

/** Labels of tokens that are in no chain: special ones, and pieces of a word after its first. */
const ignoredLabel = -100;

/**
 * Transitions learn at this multiple of the learning rate: they are few, are drawn anew on a pretrained encoder, and
 * matter only when they are as large as differences of logits.
 */
const transitionRate = 10;

const crfConfigSchema = z.object({
  /** Rules of the tags: no tag that breaks them is predicted. */
  crfConstraints: z.enum(tagSchemes).default("none"),
});

interface CrfConfig extends z.infer<typeof crfConfigSchema> {
  readonly id2label: readonly string[];
}

type TaggerClass<Config> = new (init: Init, config: Config) => Model;

/** The class of a token classifier with a CRF on its logits. */
function crfTagger<Config extends CrfConfig>(Tagger: TaggerClass<Config>): TaggerClass<Config> {
  return class implements Model {
    readonly tagger: Model;
    readonly crf: Crf;

    constructor(init: Init, config: Config) {
      const { id2label, crfConstraints } = config;
      this.tagger = new Tagger(init, config);
      this.crf = new Crf(
        init.learningAt(transitionRate),
        id2label.length,
        tagRules(id2label, crfConstraints),
      );
    }

    /**
     * `logits` [B, T, C] and, for the decoder, `chain` [B, C + 2, C]: transitions, start, end. Tokens labelled −100
     * are in no chain; the loss is the mean over the others.
     */
    forward(ctx: Context, { labels, ...inputs }: Inputs): Outputs {
      const logits = this.tagger.forward(ctx, inputs).logits!;
      const scores = this.crf.scores();
      const chain = broadcastTo(unsqueeze(scores, 0), [logits.shape[0]!, ...scores.shape]);
      if (!labels) return { logits, chain };
      const mask = notEqual(labels, ignoredLabel);
      const likelihood = sum(this.crf.logLikelihood({ emissions: logits, mask }, labels));
      const positions = maximum(sum(cast(mask, logits.dtype)), 1);
      return { loss: neg(div(likelihood, positions)), logits, chain };
    }
  };
}

/** The architecture of a family's token classifier under a CRF, whose weights are `crf.…` as in pytorch-crf. */
export function crfArchitectures<Config extends { readonly id2label: readonly string[] }>(
  family: Family<Config>,
  name: string,
  Tagger: TaggerClass<Config>,
): Architecture[] {
  const tagger = Object.entries(family.names).map(([ours, hub]) => [`tagger.${ours}`, hub]);
  const withCrf: Family<Config & CrfConfig> = {
    ...family,
    config: z.intersection(family.config, crfConfigSchema),
    names: {
      ...Object.fromEntries(tagger),
      "crf.transitions": "crf.transitions",
      "crf.start": "crf.start_transitions",
      "crf.end": "crf.end_transitions",
    },
  };
  const build = crfTagger<Config & CrfConfig>(Tagger);
  return architecturesOf(withCrf, [
    { name, task: "token-classification", variant: "crf", build, labels: tokenLabels },
  ]);
}
