/** The order of a route's candidates: what a tier allows and prefers, and what a deadline leaves time for. */

import { RequestError } from "../../errors.ts";
import { costOf, expectedMs, type LiveState, type ModelFacts } from "./model-facts.ts";
import type { Rules, Tier } from "./rules.ts";

/** A model that may answer, and why it stands where it does. */
export interface Choice {
  /** As the rule or the request names it. */
  readonly asked: string;
  readonly facts: ModelFacts;
  readonly live: LiveState;
  readonly reasons: readonly string[];
}

export interface NamedTier extends Tier {
  readonly name: string;
}

/** @throws RequestError when there is no such tier. */
export function findTier(name: string, { tiers }: Rules): NamedTier {
  const tier = Object.hasOwn(tiers, name) ? tiers[name] : undefined;
  if (tier) return { ...tier, name };
  throw new RequestError(
    `quality "${name}": there is no such tier; known are ${Object.keys(tiers).join(", ")}`,
  );
}

/** The least accuracy that a tier accepts among these choices. */
export function leastAccuracy(
  { minAccuracy = 0, maxAccuracyLoss }: Tier,
  choices: readonly Choice[],
): number {
  const best = Math.max(0, ...choices.map(({ facts }) => facts.accuracy ?? 0));
  return Math.max(minAccuracy, maxAccuracyLoss === undefined ? 0 : best - maxAccuracyLoss);
}

/** Best first by what the tier prefers; ties keep their order. */
export function orderByTier(choices: readonly Choice[], { name, prefer }: NamedTier): Choice[] {
  const measureOf = {
    accuracy: ({ facts }: Choice) => facts.accuracy,
    latency: ({ facts, live }: Choice) => expectedMs(facts, live),
    cost: ({ facts }: Choice) => costOf(facts),
  }[prefer];
  const badness = (choice: Choice): number => {
    const value = measureOf(choice);
    return prefer === "accuracy" ? -(value ?? 0) : (value ?? Number.MAX_VALUE);
  };
  const ordered = [...choices].sort((a, b) => badness(a) - badness(b));
  return ordered.map((choice) =>
    because(choice, `tier "${name}" prefers ${prefer} (${shown(measureOf(choice))})`),
  );
}

/** Those expected to answer in time go first; the rest follow, fastest first, since late is better than never. */
export function orderByDeadline(choices: readonly Choice[], deadlineMs: number): Choice[] {
  const msOf = ({ facts, live }: Choice): number => expectedMs(facts, live) ?? 0;
  const inTime = choices.filter((choice) => msOf(choice) <= deadlineMs);
  const late = choices.filter((choice) => msOf(choice) > deadlineMs).sort((a, b) => msOf(a) - msOf(b));
  return [
    ...inTime.map((choice) =>
      because(choice, `expected in ${shown(msOf(choice))} ms, within ${deadlineMs} ms`),
    ),
    ...late.map((choice) =>
      because(choice, `expected in ${shown(msOf(choice))} ms, later than ${deadlineMs} ms`),
    ),
  ];
}

const because = (choice: Choice, reason: string): Choice => ({
  ...choice,
  reasons: [...choice.reasons, reason],
});

const shown = (value: number | undefined): string =>
  value === undefined ? "unknown" : String(Number(value.toFixed(3)));
