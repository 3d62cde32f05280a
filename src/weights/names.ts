/**
 * Tables between our parameter names and Hugging Face's, read in both directions.
 * An entry may hold indices, `{i}`, and applies to the name itself and to everything below it:
 * `"blocks.{i}.attention.query": "encoder.layer.{i}.attention.self.query"` also maps `….query.weight`.
 */

import { WeightError } from "../errors.ts";

/** Ours → Hugging Face's. */
export type NameMap = Readonly<Record<string, string>>;

const indexPattern = /\{([a-z]\w*)\}/g;

/** One direction of one entry. */
interface Rule {
  /** Matches the entry's segments at the start of a name; indices are named groups. */
  readonly pattern: RegExp;
  /** What replaces them, with `$<i>` for indices. */
  readonly replacement: string;
  readonly segments: number;
  readonly indices: number;
}

/** A name map made ready. Of several entries that fit a name, the one with the most segments counts. */
export class NameTable {
  private readonly outward: readonly Rule[];
  private readonly inward: readonly Rule[];

  /** `model` names the table in messages. @throws WeightError for a malformed entry or one that is there twice. */
  constructor(
    private readonly model: string,
    map: NameMap,
  ) {
    const entries = Object.entries(map);
    for (const [ours, hub] of entries) this.assertEntry(ours, hub);
    this.assertDistinct(entries.map(([ours]) => ours));
    this.assertDistinct(entries.map(([, hub]) => hub));
    this.outward = sortRules(entries.map(([ours, hub]) => ruleOf(ours, hub)));
    this.inward = sortRules(entries.map(([ours, hub]) => ruleOf(hub, ours)));
  }

  /** Hugging Face's name of our parameter. @throws WeightError when no entry fits or the way back leads elsewhere. */
  toHub(name: string): string {
    return this.translate(name, this.outward, this.inward);
  }

  /**
   * Our name of Hugging Face's parameter. The endings `gamma` and `beta`, which checkpoints converted from
   * TensorFlow use in normalisation layers, are read as `weight` and `bias`.
   * @throws WeightError when no entry fits or the way back leads elsewhere.
   */
  fromHub(name: string): string {
    const current = name.replace(/(?<=Norm\.)gamma$/, "weight").replace(/(?<=Norm\.)beta$/, "bias");
    return this.translate(current, this.inward, this.outward);
  }

  private translate(name: string, rules: readonly Rule[], back: readonly Rule[]): string {
    const result = applyFirst(rules, name);
    if (result === undefined)
      throw new WeightError(`${this.model}: no entry of the name table fits "${name}"`);
    const returned = applyFirst(back, result);
    if (returned !== name) {
      throw new WeightError(
        `${this.model}: the name table is not one-to-one: "${name}" → "${result}" → "${returned}"; ` +
          "give the two names entries of their own",
      );
    }
    return result;
  }

  private assertEntry(ours: string, hub: string): void {
    for (const pattern of [ours, hub]) {
      const indices = indicesOf(pattern);
      const literal = pattern.replaceAll(indexPattern, "0");
      if (!literal.split(".").every((segment) => /^[\w-]+$/.test(segment)) || hasTwins(indices)) {
        throw new WeightError(
          `${this.model}: "${pattern}" is not a name; expected segments of letters, digits, _ and - joined by dots, ` +
            "each index such as {i} once",
        );
      }
    }
    if (indicesOf(ours).sort().join() !== indicesOf(hub).sort().join()) {
      throw new WeightError(`${this.model}: "${ours}" and "${hub}" must hold the same indices`);
    }
  }

  private assertDistinct(patterns: readonly string[]): void {
    const seen = new Map<string, string>();
    for (const pattern of patterns) {
      const key = pattern.replaceAll(indexPattern, "{}");
      const other = seen.get(key);
      if (other !== undefined) {
        throw new WeightError(
          `${this.model}: the name table is not one-to-one: "${other}" and "${pattern}" are equal`,
        );
      }
      seen.set(key, pattern);
    }
  }
}

const indicesOf = (pattern: string): string[] =>
  [...pattern.matchAll(indexPattern)].map((match) => match[1]!);

const hasTwins = (items: readonly string[]): boolean => new Set(items).size < items.length;

function ruleOf(from: string, to: string): Rule {
  const source = from.replaceAll(".", "\\.").replaceAll(indexPattern, "(?<$1>\\d+)");
  return {
    pattern: new RegExp(`^${source}(?=\\.|$)`),
    replacement: to.replaceAll(indexPattern, "$<$1>"),
    segments: from.split(".").length,
    indices: indicesOf(from).length,
  };
}

/** Most segments first; among equals, literal segments before indices. */
const sortRules = (rules: readonly Rule[]): Rule[] =>
  [...rules].sort((a, b) => b.segments - a.segments || a.indices - b.indices);

function applyFirst(rules: readonly Rule[], name: string): string | undefined {
  const rule = rules.find(({ pattern }) => pattern.test(name));
  return rule && name.replace(rule.pattern, rule.replacement);
}
