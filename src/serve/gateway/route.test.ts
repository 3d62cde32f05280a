import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { factsOf, type ListedModel, type LiveState } from "./model-facts.ts";
import { route } from "./route.ts";
import { parseRouteQuery, type RouteQuery } from "./route-query.ts";
import { parseRules } from "./rules.ts";
import { weightedOrder } from "./weighted-order.ts";

const listed: readonly ListedModel[] = [
  { ref: "reviews@1", name: "reviews", task: "text-classification", metrics: { accuracy: 0.8 } },
  {
    ref: "reviews@2",
    name: "reviews",
    task: "text-classification",
    metrics: { accuracy: 0.9, latency_ms: 60 },
  },
  {
    ref: "reviews@2:int8",
    name: "reviews",
    variant: "int8",
    task: "text-classification",
    metrics: { accuracy: 0.895, latency_ms: 20 },
  },
  { ref: "small", name: "small", task: "text-classification", metrics: { accuracy: 0.7, latency_ms: 2 } },
  { ref: "de-en", name: "de-en", task: "translation", metrics: { bleu: 40 } },
  { ref: "fr-en", name: "fr-en", task: "translation", metrics: { bleu: 30 } },
  { ref: "cats", name: "cats", task: "image-classification", metrics: { accuracy: 0.9 } },
];
const states: Readonly<Record<string, LiveState>> = {};
const decide = (query: RouteQuery, text = "", live: Readonly<Record<string, Partial<LiveState>>> = {}) => {
  const rules = parseRules(text, "rules.yaml");
  return route(query, {
    rules,
    models: factsOf(listed, rules),
    live: (ref) => ({ isAvailable: true, waitMs: 0, ...states[ref], ...live[ref] }),
  });
};
const refsOf = (...args: Parameters<typeof decide>): string[] =>
  decide(...args).candidates.map(({ ref }) => ref);

describe("route without rules", () => {
  test.each([
    ["reviews", "reviews@2"],
    ["reviews@1", "reviews@1"],
    ["reviews@int8", "reviews@2:int8"],
    ["reviews@2:int8", "reviews@2:int8"],
    ["small", "small"],
  ])("%s means %s alone", (model, ref) => expect(refsOf({ model })).toEqual([ref]));

  test("a task means its newest models and their variants, the most accurate first", () => {
    expect(refsOf({ task: "text-classification" })).toEqual(["reviews@2", "reviews@2:int8", "small"]);
    expect(refsOf({ task: "translation" })).toEqual(["de-en", "fr-en"]);
    expect(refsOf({ modality: "image" })).toEqual(["cats"]);
  });

  test("tells why each other model does not answer", () => {
    const { rejected } = decide({ task: "translation", modality: "text" });
    expect(rejected).toContainEqual({
      ref: "cats",
      reason: "its task is image-classification",
      isAway: false,
    });
  });

  test("refuses an unknown name with the nearest, and a request that wants nothing", () => {
    expect(() => decide({ model: "revews" })).toThrow(/did you mean "reviews"/);
    expect(() => decide({})).toThrow(/name a model, or give task, modality or language/);
    expect(() => decide({ task: "translation", quality: "superb" })).toThrow(/no such tier; known are best/);
  });
});

describe("policies", () => {
  const task = "text-classification";

  test("a deadline takes the most accurate that is expected in time, the others after", () => {
    expect(refsOf({ task, deadlineMs: 50 })).toEqual(["reviews@2:int8", "small", "reviews@2"]);
    expect(refsOf({ task, deadlineMs: 100 })[0]).toBe("reviews@2");
    expect(refsOf({ task, deadlineMs: 10 })).toEqual(["small", "reviews@2:int8", "reviews@2"]);
  });

  test("a queue counts into what is expected, and a live mean goes before the measured one", () => {
    const busy = { "reviews@2:int8": { waitMs: 40 } };
    expect(refsOf({ task, deadlineMs: 50 }, "", busy)[0]).toBe("small");
    const quick = { "reviews@2": { latencyMs: 30 } };
    expect(refsOf({ task, deadlineMs: 50 }, "", quick)[0]).toBe("reviews@2");
  });

  test("tiers prefer accuracy, or speed within a contract, or speed, or cost", () => {
    expect(refsOf({ task, quality: "best" })[0]).toBe("reviews@2");
    const { candidates, rejected } = decide({ task, quality: "standard" });
    expect(candidates.map(({ ref }) => ref)).toEqual(["reviews@2:int8", "reviews@2"]);
    expect(rejected).toContainEqual({
      ref: "small",
      reason: 'accuracy 0.7 is below the 0.8900 of tier "standard"',
      isAway: false,
    });
    expect(refsOf({ task, quality: "fast" })[0]).toBe("small");
    const costs = "models: { small: { cost: 9 }, reviews: { cost: 2 } }";
    expect(refsOf({ task, quality: "economy" }, costs)[0]).toBe("reviews@2");
    expect(refsOf({ task, maxCost: 5 }, costs)).toEqual(["reviews@2", "reviews@2:int8"]);
  });

  test("a model that is not available is passed over", () => {
    const gone = { "reviews@2": { isAvailable: false, reason: "no worker has it" } };
    const { candidates, rejected } = decide({ task, quality: "best" }, "", gone);
    expect(candidates[0]!.ref).toBe("reviews@2:int8");
    expect(rejected).toContainEqual({ ref: "reviews@2", reason: "no worker has it", isAway: true });
  });
});

describe("rules", () => {
  const rules = `
models:
  de-en: { languages: [de] }
  fr-en: { languages: [fr] }
tiers:
  exact: { prefer: latency, minAccuracy: 0.9 }
rules:
  - { name: canary, when: { model: canary }, split: { reviews@1: 75, reviews@2: 25 }, fallback: [small] }
  - { name: sentiment, when: { model: [sentiment, mood] }, use: [small, reviews], quality: exact }
  - { name: words, when: { task: translation, language: de }, use: [nowhere, de-en] }
  - { name: hurry, when: { quality: fast }, use: [small] }
`;

  test("an alias means the models that its rule names, in the order of its tier", () => {
    const { rule, candidates } = decide({ model: "mood" }, rules);
    expect([rule, candidates.map(({ ref }) => ref)]).toEqual(["sentiment", ["reviews@2"]]);
  });

  test("the first rule that matches all its conditions decides; a model it names may be missing", () => {
    const { rule, candidates, rejected } = decide({ task: "translation", language: "de" }, rules);
    expect([rule, candidates.map(({ ref }) => ref)]).toEqual(["words", ["de-en"]]);
    expect(rejected).toEqual([{ ref: "nowhere", reason: "is not served here", isAway: true }]);
    expect(decide({ task: "translation", language: "fr" }, rules).rule).toBeUndefined();
    expect(refsOf({ task: "translation", language: "fr" }, rules)).toEqual(["fr-en"]);
    expect(decide({ quality: "fast", task: "text-classification" }, rules).rule).toBe("hurry");
  });

  test("a split is sticky by key", () => {
    const orders = Array.from({ length: 30 }, (_, user) =>
      refsOf({ model: "canary", key: `u${user}` }, rules),
    );
    expect(new Set(orders.map(([first]) => first))).toEqual(new Set(["reviews@1", "reviews@2"]));
    expect(orders[3]).toEqual(refsOf({ model: "canary", key: "u3" }, rules));
  });

  test("falls back last, and only to what is there", () => {
    expect(refsOf({ model: "canary", key: "a" }, rules)).toHaveLength(3);
    expect(refsOf({ model: "canary", key: "a" }, rules)[2]).toBe("small");
    const all = Object.fromEntries(listed.map(({ ref }) => [ref, { isAvailable: ref === "small" }]));
    expect(refsOf({ model: "canary" }, rules, all)).toEqual(["small"]);
    expect(refsOf({ model: "canary" }, rules, { ...all, small: { isAvailable: false } })).toEqual([]);
  });

  test("never names a model twice nor one that is not available", () => {
    const anyQuery = fc.record(
      {
        model: fc.constantFrom("reviews", "small", "mood", "canary"),
        task: fc.constantFrom("text-classification", "translation"),
        deadlineMs: fc.constantFrom(1, 30, 1000),
        quality: fc.constantFrom("best", "fast", "exact"),
        maxCost: fc.constantFrom(0, 10, 100),
      },
      { requiredKeys: ["model"] },
    );
    const anyState = fc.dictionary(fc.constantFrom(...listed.map(({ ref }) => ref)), fc.boolean());
    fc.assert(
      fc.property(anyQuery, anyState, (query, up) => {
        const live = Object.fromEntries(
          Object.entries(up).map(([ref, isAvailable]) => [ref, { isAvailable }]),
        );
        const refs = refsOf(query, rules, live);
        expect(new Set(refs).size).toBe(refs.length);
        expect(refs.filter((ref) => live[ref]?.isAvailable === false)).toEqual([]);
      }),
    );
  });
});

describe("weightedOrder", () => {
  const keys = Array.from({ length: 4000 }, (_, user) => `u${user}`);
  const first = (weights: Record<string, number>, key: string) => weightedOrder(weights, key)[0];

  test("puts each name first for its share of the keys", () => {
    const count = keys.filter((key) => first({ old: 75, new: 25 }, key) === "new").length;
    expect(count / keys.length).toBeGreaterThan(0.22);
    expect(count / keys.length).toBeLessThan(0.28);
  });

  test("moves keys to what gains weight and none away from it", () => {
    const before = keys.filter((key) => first({ a: 50, b: 40, c: 10 }, key) === "c");
    expect(before.filter((key) => first({ a: 20, b: 40, c: 40 }, key) !== "c")).toEqual([]);
  });
});

describe("parseRules", () => {
  test("lists everything that does not hold", () => {
    const text = `
rules:
  - { name: a, use: [x], split: { y: 1 } }
  - { name: b, quality: superb, extra: 1 }
  - { name: b, split: { y: -1 } }
tiers: { odd: { prefer: beauty } }`;
    const parse = () => parseRules(text, "rules.yaml");
    expect(parse).toThrow(/^rules.yaml: the rules do not hold:/);
    expect(parse).toThrow(/rules.0: may have "use" or "split", not both/);
    expect(parse).toThrow(/rules.1: Unrecognized key: "extra"/);
    expect(parse).toThrow(/rules.2.split.y/);
    expect(parse).toThrow(/tiers.odd.prefer/);
  });

  test("knows tiers by name and rules apart", () => {
    const twice = "rules: [{ name: a, quality: superb }, { name: a }]";
    expect(() => parseRules(twice, "r")).toThrow(/there is no tier "superb"; known are best/);
    expect(() => parseRules(twice, "r")).toThrow(/another rule is called "a"/);
    expect(() => parseRules("rules: [", "r.yaml")).toThrow(/r.yaml: is neither YAML nor JSON/);
  });

  test("reads JSON, and an empty file as no rules", () => {
    expect(parseRules('{"rules": [{"name": "a", "use": ["x"]}]}', "r").rules[0]).toMatchObject({
      use: ["x"],
    });
    expect(parseRules("", "r").rules).toEqual([]);
  });
});

describe("parseRouteQuery", () => {
  test("reads numbers from a query string", () =>
    expect(parseRouteQuery({ task: "translation", deadlineMs: "50" })).toEqual({
      task: "translation",
      deadlineMs: 50,
    }));

  test.each([
    [{ deadlineMs: "soon" }, /deadlineMs/],
    [{ deadline: 5 }, /unknown deadline; expected task, /],
    [{ modality: "smell" }, /modality/],
    ["x", /the query/],
  ])("refuses %j", (query, reason) => expect(() => parseRouteQuery(query)).toThrow(reason));
});
