import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyGpt2, tinyMarian } from "../../test/support/tiny-generators.ts";
import { writeTinyModel } from "../../test/support/tiny-model.ts";
import { encodeModel } from "../models/open.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Decoder, NewRow } from "./decoder.ts";
import { openDecoder } from "./open-decoder.ts";

const folder = useTemporaryFolder();
const random = new Random(11);
const someIds = (length: number): number[] => Array.from({ length }, () => 4 + random.integer(100));
const sourceOf = (ids: readonly number[]) => ({ input_ids: Tensor.from("int64", [ids.length], ids) });

/** Scores of what follows each prefix of `ids`, by one pass over all of them. */
async function wholePass(
  session: OrtSession,
  { ids, source }: Pick<Story, "ids" | "source">,
): Promise<Float32Array[]> {
  const row = (values: readonly number[]): Tensor => Tensor.from("int64", [1, values.length], values);
  const read = source ?? ids;
  const feeds = { input_ids: row(read), attention_mask: row(read.map(() => 1)) };
  const { logits } = await session.run(source ? { ...feeds, decoder_input_ids: row(ids) } : feeds, [
    "logits",
  ]);
  const size = logits!.shape[2]!;
  return ids.map((_, at) => (logits!.data as Float32Array).slice(at * size, (at + 1) * size));
}

/** Equal but for padding, id 0, which a step may forbid. */
function expectNear(actual: Float32Array, expected: Float32Array): void {
  let error = 0;
  for (let id = 1; id < expected.length; id++) error = Math.max(error, Math.abs(actual[id]! - expected[id]!));
  expect(error).toBeLessThan(1e-4);
}

/** One row of a test: all its tokens, of which the first `given` begin it. */
interface Story {
  readonly ids: readonly number[];
  readonly given: number;
  readonly source?: readonly number[] | undefined;
}

const begin = ({ ids, given, source }: Story): NewRow => ({
  ids: ids.slice(0, given),
  ...(source && { source: sourceOf(source) }),
});

describe.each([
  ["gpt2", tinyGpt2, false],
  ["marian", tinyMarian, true],
])("a decoder of %s", (name, config, hasSource) => {
  let decoder: Decoder;
  let whole: OrtSession;
  beforeAll(async () => {
    await writeTinyModel(join(folder, name), config);
    decoder = await openDecoder(join(folder, name));
    whole = await OrtSession.open(await encodeModel(join(folder, name)));
  });
  afterAll(() => Promise.all([decoder.release(), whole.release()]));

  const story = (length: number, given: number, sourceLength = 6): Story => ({
    ids: someIds(length),
    given,
    ...(hasSource && { source: someIds(sourceLength) }),
  });

  test("gives the scores of one pass over all tokens, for rows of different lengths", async () => {
    const stories = [story(12, 1, 3), story(18, 7, 9), story(14, 3, 1)];
    const expected = await Promise.all(stories.map((each) => wholePass(whole, each)));
    let outputs = await decoder.add(stories.map(begin), ["logits"]);
    for (let step = 0; step < 11; step++) {
      for (const [row, { given }] of stories.entries()) {
        expectNear(outputs.scores(row, "logits"), expected[row]![given - 1 + step]!);
      }
      const tokens = stories.map(({ ids, given }) => ids[given + step] ?? 0);
      outputs = await decoder.step(tokens, ["logits"]);
    }
    decoder.arrange([]);
  });

  test("goes on unchanged when its memory grows", async () => {
    const long = story(150, 60);
    const expected = await wholePass(whole, long);
    await decoder.add([begin(long)], ["logits"]);
    for (let at = 60; at < 150; at++) {
      const outputs = await decoder.step([long.ids[at]!], ["logits"]);
      expectNear(outputs.scores(0, "logits"), expected[at]!);
    }
    decoder.arrange([]);
  });

  test("rows may join, leave, change places and be doubled", async () => {
    let stories = [story(20, 4), story(20, 2, 8)];
    await decoder.add(stories.map(begin), ["token"]);
    let lengths = stories.map(({ given }) => given);
    for (let step = 0; step < 12; step++) {
      if (step === 3 || step === 6) {
        const joining = story(20, 5, 2 + step);
        await decoder.add([begin(joining)], ["token"]);
        stories.push(joining);
        lengths.push(5);
      }
      const outputs = await decoder.step(
        stories.map(({ ids }, row) => ids[lengths[row]!]!),
        ["logits"],
      );
      lengths = lengths.map((length) => length + 1);
      for (const [row, { ids, source }] of stories.entries()) {
        const expected = await wholePass(whole, { ids: ids.slice(0, lengths[row]), source });
        expectNear(outputs.scores(row, "logits"), expected.at(-1)!);
      }
      const parents = Array.from({ length: 1 + random.integer(5) }, () => random.integer(stories.length));
      decoder.arrange(parents);
      const former = { stories, lengths };
      // Every row goes its own way from here on.
      stories = parents.map((parent) => {
        const told = former.stories[parent]!;
        const ids = [...told.ids.slice(0, former.lengths[parent]), ...someIds(20)];
        return { ...told, ids };
      });
      lengths = parents.map((parent) => former.lengths[parent]!);
    }
    decoder.arrange([]);
    expect(decoder.count).toBe(0);
  });

  test("names the likeliest token and log-probabilities", async () => {
    const outputs = await decoder.add([begin(story(3, 3))], ["token", "logits", "log_probabilities"]);
    const logits = outputs.scores(0, "logits");
    const logProbabilities = outputs.scores(0, "log_probabilities");
    expect(outputs.token(0)).toBe(logits.indexOf(Math.max(...logits)));
    expect(logProbabilities.reduce((sum, score) => sum + Math.exp(score), 0)).toBeCloseTo(1, 4);
    expect(logProbabilities[5]! - logProbabilities[6]!).toBeCloseTo(logits[5]! - logits[6]!, 4);
    decoder.arrange([]);
  });
});

describe("a masked token", () => {
  test("is attended to by none, so that its id does not matter", async () => {
    await writeTinyModel(join(folder, "masked"), tinyGpt2);
    const decoder = await openDecoder(join(folder, "masked"));
    const first = await decoder.add(
      [
        { ids: [10, 20, 30, 40], mask: [1, 0, 1, 1, 0, 1] },
        { ids: [10, 21, 30, 40], mask: [1, 0, 1, 1, 0, 1] },
      ],
      ["logits"],
    );
    expectNear(first.scores(0, "logits"), first.scores(1, "logits"));
    await decoder.step([50, 51], ["logits"]);
    const later = await decoder.step([60, 60], ["logits"]);
    expectNear(later.scores(0, "logits"), later.scores(1, "logits"));
    await decoder.release();
  });
});

describe("opening a decoder", () => {
  test("refuses a model that does not generate", async () => {
    const path = join(folder, "bert");
    await writeTinyModel(path, { architectures: ["BertModel"], model_type: "bert", hidden_size: 24 });
    await expect(openDecoder(path)).rejects.toThrow(
      /BertModel is for feature-extraction and generates no text/,
    );
  });
});
