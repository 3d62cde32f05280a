/** When a row that goes through a model layer by layer is done. Zhou et al. 2020, https://arxiv.org/abs/2006.04152 */

export interface ExitRule {
  /** Classifiers in a row that agree with the one before them, from 1. */
  readonly patience: number;
  /** What agrees: the best label, the set of labels with positive logits, or numbers less than `threshold` apart. */
  readonly agreement: "label" | "labels" | "number";
  readonly threshold: number;
}

/** Whether two classifiers' logits of one row say the same. */
export function agree({ agreement, threshold }: ExitRule, before: Float32Array, now: Float32Array): boolean {
  switch (agreement) {
    case "label":
      return best(before) === best(now);
    case "labels":
      return before.every((value, at) => value > 0 === now[at]! > 0);
    case "number":
      return before.every((value, at) => Math.abs(value - now[at]!) < threshold);
  }
}

function best(values: Float32Array): number {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[at]!) at = i;
  return at;
}
