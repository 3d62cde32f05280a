import { describe, expect, test } from "vitest";
import { enumerateChain, pathScore, randomChain, randomRows } from "../../test/support/enumerate-chain.ts";
import { evaluate, graphOf } from "../../test/support/evaluate.ts";
import { grad } from "../graph/grad.ts";
import { input, type Node } from "../graph/node.ts";
import { sum } from "../graph/ops/core.ts";
import { symbol } from "../tensor/dims.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type ChainInputs, Crf, forbiddenScore, type TagRules } from "./crf.ts";
import { Init } from "./module.ts";

const random = new Random(11);
const scale = 2;
const integers = (rows: number, columns: number, below: number): number[][] =>
  Array.from({ length: rows }, () => Array.from({ length: columns }, () => random.integer(below)));

/** Sentences of one length with their tags and a mask with gaps. */
function randomSentences(batch: number, length: number, numTags: number) {
  return {
    chain: randomChain(random, numTags, scale),
    emissions: Array.from({ length: batch }, () => randomRows(random, length, numTags, scale)),
    tags: integers(batch, length, numTags),
    mask: integers(batch, length, 4).map((row) => row.map((draw) => Number(draw > 0))),
  };
}

type Sentences = ReturnType<typeof randomSentences>;

/** Values of what `build` makes of a CRF with the sentences' chain. */
function run(
  { chain, emissions, tags, mask }: Sentences,
  build: (crf: Crf, inputs: ChainInputs, tags: Node) => Node[],
  rules?: TagRules,
): Promise<Tensor[]> {
  const [batch, length, numTags] = [tags.length, tags[0]!.length, chain.start.length];
  const crf = new Crf(new Init(), numTags, rules);
  const feeds = {
    emissions: Tensor.from("float32", [batch, length, numTags], emissions.flat(2)),
    mask: Tensor.from("int64", [batch, length], mask.flat()),
    tags: Tensor.from("int64", [batch, length], tags.flat()),
  };
  const declare = (name: keyof typeof feeds): Node => input(name, feeds[name].dtype, feeds[name].shape);
  const outputs = build(crf, { emissions: declare("emissions"), mask: declare("mask") }, declare("tags"));
  const values = new Map([
    [crf.transitions, chain.transitions.flatMap((row) => Array.from(row))],
    [crf.start, Array.from(chain.start)],
    [crf.end, Array.from(chain.end)],
  ]);
  const parameters = [...graphOf(outputs).parameters].map(([node, name]) => [
    name,
    Tensor.from("float32", node.shape as number[], values.get(node)!),
  ]);
  return evaluate(outputs, { ...feeds, ...Object.fromEntries(parameters) });
}

const live = <T>(values: readonly T[], mask: readonly number[]): T[] =>
  values.filter((_, at) => mask[at] === 1);

describe("a linear-chain CRF", () => {
  test("agrees with enumeration in 1,008 random cases, also with gaps in the mask", async () => {
    for (let length = 1; length <= 6; length++) {
      for (let numTags = 1; numTags <= 6; numTags++) {
        const sentences = randomSentences(28, length, numTags);
        const [likelihood] = await run(sentences, (crf, chain, tags) => [crf.logLikelihood(chain, tags)]);
        for (const [row, mask] of sentences.mask.entries()) {
          const emissions = live(sentences.emissions[row]!, mask);
          const score = (): number =>
            pathScore(live(sentences.tags[row]!, mask), emissions, sentences.chain) -
            enumerateChain(emissions, sentences.chain).logPartition;
          const expected = emissions.length === 0 ? 0 : score();
          expect(Math.abs(Number(likelihood!.data[row]) - expected)).toBeLessThan(1e-5);
        }
      }
    }
  });

  test("the gradient of the log partition by the emissions are the marginals, zero outside the mask", async () => {
    const sentences = randomSentences(5, 6, 4);
    const [gradient] = await run(sentences, (crf, chain) =>
      grad(sum(crf.logPartition(chain)), [chain.emissions]),
    );
    for (const [row, mask] of sentences.mask.entries()) {
      const truth = enumerateChain(live(sentences.emissions[row]!, mask), sentences.chain).marginals;
      const actual = Array.from({ length: 6 }, (_, at) =>
        gradient!.toNumbers().slice((row * 6 + at) * 4, (row * 6 + at + 1) * 4),
      );
      expect(
        actual
          .filter((_, at) => mask[at] === 0)
          .flat()
          .every((value) => value === 0),
      ).toBe(true);
      for (const [at, values] of live(actual, mask).entries())
        for (const [tag, value] of values.entries()) expect(value).toBeCloseTo(truth[at]![tag]!, 5);
    }
  });

  test("without a mask takes every position", async () => {
    const sentences = randomSentences(3, 4, 3);
    const whole = { ...sentences, mask: sentences.mask.map((row) => row.map(() => 1)) };
    const [masked, plain] = await run(whole, (crf, chain, tags) => [
      crf.logLikelihood(chain, tags),
      crf.logLikelihood({ emissions: chain.emissions }, tags),
    ]);
    expect(plain!.toNumbers()).toEqual(masked!.toNumbers());
  });

  test("ignores emissions and tags outside the mask", async () => {
    const sentences = randomSentences(4, 5, 3);
    const isOff = (row: number, at: number): boolean => sentences.mask[row]![at] === 0;
    const other = {
      ...sentences,
      emissions: sentences.emissions.map((rows, row) =>
        rows.map((values, at) => (isOff(row, at) ? values.map(() => 1e30) : values)),
      ),
      tags: sentences.tags.map((tags, row) => tags.map((tag, at) => (isOff(row, at) ? -100 : tag))),
    };
    const likelihood = (from: Sentences): Promise<Tensor[]> =>
      run(from, (crf, chain, tags) => [crf.logLikelihood(chain, tags)]);
    const [[plain], [changed]] = await Promise.all([likelihood(sentences), likelihood(other)]);
    expect(changed!.toNumbers()).toEqual(plain!.toNumbers());
  });

  test("stays finite where scores are thousands apart", async () => {
    const sentences = randomSentences(2, 5, 3);
    const steep = {
      ...sentences,
      emissions: sentences.emissions.map((rows) => rows.map((row) => row.map((value) => 3000 * value))),
    };
    const results = await run(steep, (crf, chain, tags) => {
      const likelihood = crf.logLikelihood(chain, tags);
      return [likelihood, ...grad(sum(likelihood), [crf.transitions, crf.start, crf.end, chain.emissions])];
    });
    for (const tensor of results) expect(tensor.toNumbers().every(Number.isFinite)).toBe(true);
  });

  test("under rules sums over the sequences they allow", async () => {
    const rules: TagRules = {
      transitions: [
        [true, false, true],
        [true, true, true],
        [false, true, true],
      ],
      start: [true, true, false],
      end: [true, false, true],
    };
    const sentences = randomSentences(6, 4, 3);
    const { chain } = sentences;
    const ruled = (isAllowed: readonly boolean[], scores: ArrayLike<number>): number[] =>
      isAllowed.map((allowed, at) => (allowed ? scores[at]! : forbiddenScore));
    const ruledChain = {
      transitions: rules.transitions.map((row, from) => ruled(row, chain.transitions[from]!)),
      start: ruled(rules.start, chain.start),
      end: ruled(rules.end, chain.end),
    };
    const whole = { ...sentences, mask: sentences.mask.map((row) => row.map(() => 1)) };
    const [partition, scores] = await run(
      whole,
      (crf, inputs) => [crf.logPartition(inputs), crf.scores()],
      rules,
    );
    for (const [row, emissions] of whole.emissions.entries()) {
      const truth = enumerateChain(emissions, ruledChain).logPartition;
      expect(Number(partition!.data[row])).toBeCloseTo(truth, 4);
    }
    const expected = [...ruledChain.transitions, ruledChain.start, ruledChain.end].flat();
    expect(scores!.toNumbers()).toEqual(expected.map(Math.fround));
  });

  test("refuses a symbolic length by name", () => {
    const crf = new Crf(new Init(), 3);
    const emissions = input("emissions", "float32", [symbol("batch"), symbol("length"), 3]);
    expect(() => crf.logPartition({ emissions })).toThrow(/CRF: emissions \[batch, length, 3\] must have/);
  });
});
