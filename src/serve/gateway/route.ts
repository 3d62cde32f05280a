/** The router: which models may answer a request, in which order, and why. A pure function. */

import { RequestError } from "../../errors.ts";
import { nearest } from "../../store/nearest.ts";
import { type Choice, findTier, leastAccuracy, orderByDeadline, orderByTier } from "./candidate-order.ts";
import { costOf, type LiveState, type ModelFacts, resolve } from "./model-facts.ts";
import type { RouteQuery } from "./route-query.ts";
import type { Rule, Rules } from "./rules.ts";
import { weightedOrder } from "./weighted-order.ts";

/** A decision. */
export interface Route {
  /** The rule that decided; undefined when none matched. */
  readonly rule: string | undefined;
  /** To be tried in this order. */
  readonly candidates: readonly Candidate[];
  readonly rejected: readonly Rejection[];
}

interface Candidate {
  /** The model as the rule or the request names it. */
  readonly asked: string;
  /** What that means now. */
  readonly ref: string;
  readonly reasons: readonly string[];
}

interface Rejection {
  readonly ref: string;
  readonly reason: string;
  /** Whether it would answer at another time. */
  readonly isAway: boolean;
}

/** What a decision depends on beside the request. */
export interface RouteInputs {
  readonly rules: Rules;
  readonly models: readonly ModelFacts[];
  readonly live: (ref: string) => LiveState;
}

/**
 * Decides on a request.
 * @throws RequestError, code not_found, when the name means nothing; RequestError when nothing says what is wanted.
 */
export function route(query: RouteQuery, inputs: RouteInputs): Route {
  const rule = inputs.rules.rules.find((candidate) => matches(candidate, query));
  const deadlineMs = query.deadlineMs ?? rule?.deadlineMs;
  const tierName = query.quality ?? rule?.quality ?? (deadlineMs === undefined ? undefined : "best");
  const tier = tierName === undefined ? undefined : findTier(tierName, inputs.rules);
  const rejected: Rejection[] = [];

  let choices = namedModels(query, rule, inputs).flatMap((named) => {
    const choice = chosen(named, query, inputs);
    if ("facts" in choice) return [choice];
    rejected.push(choice);
    return [];
  });
  if (tier) {
    const least = leastAccuracy(tier, choices);
    const isAccurate = ({ facts: { accuracy = 0 } }: Choice): boolean => accuracy >= least - 1e-9;
    for (const { facts } of choices.filter((choice) => !isAccurate(choice))) {
      const reason = `accuracy ${facts.accuracy ?? "unknown"} is below the ${least.toFixed(4)} of tier "${tierName}"`;
      rejected.push({ ref: facts.ref, reason, isAway: false });
    }
    choices = choices.filter(isAccurate);
    if (!rule?.split) choices = orderByTier(choices, tier); // shares are not for a tier to change
  }
  if (deadlineMs !== undefined) choices = orderByDeadline(choices, deadlineMs);
  const last = fallbacks(rule, choices, inputs);
  return {
    rule: rule?.name,
    candidates: [...choices, ...last].map(({ asked, facts: { ref }, reasons }) => ({ asked, ref, reasons })),
    rejected,
  };
}

function matches({ when }: Rule, query: RouteQuery): boolean {
  const fields = ["model", "task", "modality", "language", "quality"] as const;
  return fields.every((field) => {
    const accepted: readonly string[] | undefined = when[field];
    return accepted === undefined || (query[field] !== undefined && accepted.includes(query[field]));
  });
}

interface Named {
  readonly ref: string;
  readonly because: string;
}

/** Models that the rule or the request names, in their order; all of the newest ones where neither names any. */
function namedModels(query: RouteQuery, rule: Rule | undefined, { models }: RouteInputs): Named[] {
  if (rule?.split) {
    const order = weightedOrder(rule.split, query.key ?? "");
    return order.map((ref) => ({ ref, because: `rule "${rule.name}" splits by weight` }));
  }
  if (rule?.use) return rule.use.map((ref) => ({ ref, because: `rule "${rule.name}" names it` }));
  if (query.model !== undefined && resolve(query.model, models))
    return [{ ref: query.model, because: "the request names it" }];
  if (!rule) assertWanted(query, models);
  return models
    .filter(({ isNewest }) => isNewest)
    .sort((a, b) => (b.accuracy ?? 0) - (a.accuracy ?? 0))
    .map(({ ref }) => ({ ref, because: "fits the request" }));
}

function assertWanted({ model, task, modality, language }: RouteQuery, models: readonly ModelFacts[]): void {
  if (model !== undefined) {
    const guess = nearest(model, [...new Set(models.map(({ name }) => name))]);
    const hint = guess === undefined ? "GET /v1/models lists what there is" : `did you mean "${guess}"?`;
    throw new RequestError(`model "${model}": is not here; ${hint}`, { code: "not_found" });
  }
  if (task === undefined && modality === undefined && language === undefined)
    throw new RequestError(
      "route: nothing says what is wanted; name a model, or give task, modality or language",
    );
}

function chosen(
  { ref, because }: Named,
  query: RouteQuery,
  { models, live }: RouteInputs,
): Choice | Rejection {
  const facts = resolve(ref, models);
  if (!facts) return { ref, reason: "is not served here", isAway: true };
  const { isAvailable, reason = "is not available now", ...state } = live(facts.ref);
  const misfits = misfit(facts, query);
  if (misfits !== undefined) return { ref: facts.ref, reason: misfits, isAway: false };
  if (!isAvailable) return { ref: facts.ref, reason, isAway: true };
  return { asked: ref, facts, live: { isAvailable, ...state }, reasons: [because] };
}

/** Why a model is not what the request wants. */
function misfit(facts: ModelFacts, { task, modality, language, maxCost }: RouteQuery): string | undefined {
  if (task !== undefined && facts.task !== task) return `its task is ${facts.task ?? "unknown"}`;
  if (modality !== undefined && facts.modality !== modality)
    return `it reads ${facts.modality ?? "something unknown"}`;
  if (language !== undefined && facts.languages && !facts.languages.includes(language))
    return `it reads ${facts.languages.join(", ")}`;
  if (maxCost !== undefined && costOf(facts) > maxCost)
    return `it costs ${costOf(facts)}, more than ${maxCost}`;
  return undefined;
}

/** The rule's last resorts: that they are there is all that is asked of them. */
function fallbacks(
  rule: Rule | undefined,
  before: readonly Choice[],
  { models, live }: RouteInputs,
): Choice[] {
  return (rule?.fallback ?? []).flatMap((ref) => {
    const facts = resolve(ref, models);
    if (!facts || !live(facts.ref).isAvailable || before.some((choice) => choice.facts === facts)) return [];
    return [{ asked: ref, facts, live: live(facts.ref), reasons: [`rule "${rule!.name}" falls back to it`] }];
  });
}
