/**
 * Routing rules: a YAML or JSON file that says which models answer which requests. The first rule that matches decides.
 *
 *     models:   { de-en: { languages: [de], cost: 2 } }          # facts that manifests do not hold
 *     tiers:    { standard: { prefer: latency, maxAccuracyLoss: 0.01 } }
 *     rules:
 *       - { name: sentiment, when: { model: sentiment }, use: [sst2@int8, sst2], quality: standard }
 *       - { name: canary, when: { model: reviews }, split: { reviews@2: 95, reviews@3: 5 }, fallback: [sst2] }
 */

import { parse } from "yaml";
import { z } from "zod";
import { ConfigError } from "../../errors.ts";

export const modalities = ["text", "image", "image+text"] as const;
export type Modality = (typeof modalities)[number];

const name = z.string().min(1).max(200);
const oneOrMore = <T extends z.ZodType<string>>(of: T) =>
  z.union([of, z.array(of).min(1)]).transform((value) => [value].flat() as z.infer<T>[]);

const factsSchema = z.strictObject({
  task: name.optional(),
  modality: z.enum(modalities).optional(),
  languages: z.array(name).min(1).optional(),
  accuracy: z.number().min(0).max(1).optional(),
  /** Milliseconds from request to answer without a queue. */
  latencyMs: z.number().positive().optional(),
  /** Price of an answer in any unit, the same for all models. */
  cost: z.number().nonnegative().optional(),
});

const tierSchema = z.strictObject({
  prefer: z.enum(["accuracy", "latency", "cost"]),
  minAccuracy: z.number().min(0).max(1).optional(),
  /** How much less accurate than the best candidate a model may be. */
  maxAccuracyLoss: z.number().min(0).max(1).optional(),
});

const conditionsSchema = z.strictObject({
  model: oneOrMore(name).optional(),
  task: oneOrMore(name).optional(),
  modality: oneOrMore(z.enum(modalities)).optional(),
  language: oneOrMore(name).optional(),
  quality: oneOrMore(name).optional(),
});

const ruleSchema = z
  .strictObject({
    name,
    when: conditionsSchema.default({}),
    /** Candidates in order of preference; without `use` and `split` all models that fit the request. */
    use: z.array(name).min(1).optional(),
    /** Shares of the requests by model. */
    split: z.record(name, z.number().positive()).optional(),
    /** Tried in order when no candidate answers. */
    fallback: z.array(name).default([]),
    /** Tier of requests that name none. */
    quality: name.optional(),
    /** Deadline of requests that have none. */
    deadlineMs: z.number().positive().optional(),
  })
  .refine(({ use, split }) => !(use && split), { error: 'may have "use" or "split", not both' });

/** Tiers that a file may redefine. */
const commonTiers = {
  best: { prefer: "accuracy" },
  standard: { prefer: "latency", maxAccuracyLoss: 0.01 },
  fast: { prefer: "latency" },
  economy: { prefer: "cost" },
} as const;

const rulesSchema = z
  .strictObject({
    models: z.record(name, factsSchema).default({}),
    tiers: z.record(name, tierSchema).default({}),
    rules: z.array(ruleSchema).default([]),
  })
  .transform((rules) => ({ ...rules, tiers: { ...commonTiers, ...rules.tiers } as Record<string, Tier> }))
  .superRefine(({ rules, tiers }, context) => {
    const seen = new Set<string>();
    for (const [index, rule] of rules.entries()) {
      const tell = (message: string, ...path: string[]): void =>
        context.addIssue({ code: "custom", message, path: ["rules", index, ...path] });
      if (seen.has(rule.name)) tell(`another rule is called "${rule.name}" already`, "name");
      seen.add(rule.name);
      for (const tier of [rule.quality, ...(rule.when.quality ?? [])])
        if (tier !== undefined && !Object.hasOwn(tiers, tier))
          tell(`there is no tier "${tier}"; known are ${Object.keys(tiers).join(", ")}`, "quality");
    }
  });

export type StatedFacts = z.infer<typeof factsSchema>;
export type Tier = z.infer<typeof tierSchema>;
export type Rule = z.infer<typeof ruleSchema>;
export type Rules = z.infer<typeof rulesSchema>;

/** The rules of a server that has no file: names mean models, and the common tiers order them. */
export const noRules: Rules = rulesSchema.parse({});

/** Rules from the text of a YAML or JSON file. @throws ConfigError that lists everything that does not hold. */
export function parseRules(text: string, path: string): Rules {
  let content: unknown;
  try {
    content = parse(text);
  } catch (cause) {
    throw new ConfigError(`${path}: is neither YAML nor JSON: ${(cause as Error).message.split("\n")[0]}`, {
      cause,
    });
  }
  const { data, error } = rulesSchema.safeParse(content ?? {});
  if (data) return data;
  const list = error.issues.map(({ path: at, message }) => `  ${at.join(".") || "file"}: ${message}`);
  throw new ConfigError(`${path}: the rules do not hold:\n${list.join("\n")}`, { cause: error });
}
