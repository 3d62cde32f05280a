import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyGpt2, tinyMarian } from "../../test/support/tiny-generators.ts";
import { tinyTokenizer, writeTinyModel } from "../../test/support/tiny-model.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type Generator, LocalGenerator, type Prompt, type StreamedToken } from "./generator.ts";
import type { GenerationOptions } from "./options.ts";
import { streamTokens } from "./stream.ts";
import { ThreadedGenerator } from "./threaded-generator.ts";

const folder = useTemporaryFolder();
const random = new Random(2);
const someIds = (length: number): number[] => Array.from({ length }, () => 5 + random.integer(100));
const texts: Prompt[] = [3, 9, 1, 5, 6, 2, 12].map((length) => ({ ids: someIds(length) }));
const sources = (): Prompt[] =>
  texts.map(({ ids = [] }) => ({ source: { input_ids: Tensor.from("int64", [ids.length], ids) } }));

let gpt2: Generator;
let marian: Generator;
beforeAll(async () => {
  gpt2 = await LocalGenerator.open(await writeTinyModel(join(folder, "gpt2"), tinyGpt2));
  marian = await LocalGenerator.open(await writeTinyModel(join(folder, "marian"), tinyMarian));
});
afterAll(() => Promise.all([gpt2.release(), marian.release()]));

/** The answers of all prompts in one batch, and of each alone. */
async function bothWays(generator: Generator, prompts: () => Prompt[], options: GenerationOptions) {
  const together = await generator.generate(prompts(), options);
  const alone = [];
  for (const prompt of prompts()) alone.push(...(await generator.generate([prompt], options)));
  return { together, alone };
}

const first = async (options: GenerationOptions, prompt = texts[0]!, generator = gpt2) => {
  const [answers] = await generator.generate([prompt], options);
  return answers![0]!;
};

describe("a batch", () => {
  test.each<[string, GenerationOptions]>([
    ["greedy", {}],
    ["sampling", { do_sample: true, seed: 4, temperature: 1.5, top_k: 0, top_p: 0.9 }],
    ["several draws", { do_sample: true, seed: 4, num_return_sequences: 3 }],
    ["rules", { repetition_penalty: 1.5, no_repeat_ngram_size: 2, min_new_tokens: 5, suppress_tokens: [9] }],
    ["beams", { num_beams: 4 }],
    [
      "the best of many beams",
      { num_beams: 5, num_return_sequences: 3, early_stopping: true, length_penalty: 0.6 },
    ],
  ])("gives the answers of one at a time: %s", async (_, options) => {
    const settings = { max_new_tokens: 30, eos_token_id: [3, 20, 21, 22, 23], ...options };
    const lengths = new Set<number>();
    for (const [generator, prompts] of [
      [gpt2, () => texts],
      [marian, sources],
    ] as const) {
      const { together, alone } = await bothWays(generator, prompts, settings);
      expect(together.map((answers) => answers.map(({ ids }) => ids))).toEqual(
        alone.map((answers) => answers.map(({ ids }) => ids)),
      );
      for (const [best] of together) lengths.add(best!.ids.length);
    }
    expect(lengths.size).toBeGreaterThan(1);
  });

  test("takes prompts of other calls under way, whatever their options", async () => {
    const options: GenerationOptions[] = [
      {},
      { num_beams: 3 },
      { do_sample: true, seed: 1 },
      { min_new_tokens: 9 },
    ];
    const alone = [];
    for (const each of options) alone.push(await gpt2.generate(texts, each));
    expect(await Promise.all(options.map((each) => gpt2.generate(texts, each)))).toEqual(alone);
  });

  test("may be of more prompts than run at once", async () => {
    const many = Array.from({ length: 90 }, (_, at) => texts[at % texts.length]!);
    const answers = await gpt2.generate(many, { max_new_tokens: 3 });
    const few = await gpt2.generate(texts, { max_new_tokens: 3 });
    for (const [at, [answer]] of answers.entries()) expect(answer).toEqual(few[at % texts.length]![0]);
  });
});

describe("a text ends", () => {
  test("at its longest length, prompt included or new tokens alone", async () => {
    const endless = { eos_token_id: [] };
    expect(await first({ ...endless, max_new_tokens: 7 })).toMatchObject({ ending: "length" });
    expect((await first({ ...endless, max_new_tokens: 7 })).ids).toHaveLength(7);
    expect((await first({ ...endless, max_length: 10 })).ids).toHaveLength(10 - 3);
    expect((await first(endless)).ids).toHaveLength(20);
  });

  test("where the model has no more positions, and a prompt must be shorter", async () => {
    const long = { ids: someIds(155) };
    expect((await first({ max_new_tokens: 50, eos_token_id: [] }, long)).ids).toHaveLength(160 - 155);
    const tooLong = { ids: someIds(160) };
    await expect(gpt2.generate([tooLong])).rejects.toThrow(
      /prompt 1: must be shorter than the model's 160 tokens/,
    );
  });

  test("at any of several end tokens, which it keeps", async () => {
    const { ids } = await first({ eos_token_id: [], max_new_tokens: 6 });
    const ended = await first({ eos_token_id: [ids[5]!, ids[3]!], max_new_tokens: 6 });
    expect(ended).toEqual({ ids: ids.slice(0, ids.indexOf(ids[3]!) + 1), ending: "eos" });
  });

  test("behind a stop string", async () => {
    const options = { eos_token_id: [], max_new_tokens: 12 };
    const { ids } = await first(options);
    const stop = tinyTokenizer().decode(ids.slice(4, 6));
    const stopped = await first({ ...options, stop_strings: ["not there", stop] });
    expect(stopped.ending).toBe("stop");
    expect(stopped.ids).toEqual(ids.slice(0, stopped.ids.length));
    expect(tinyTokenizer().decode(stopped.ids)).toContain(stop);
    expect(stopped.ids.length).toBeLessThanOrEqual(6);
  });

  test("when it is cancelled", async () => {
    const canceller = new AbortController();
    const onToken = () => canceller.abort();
    const answers = gpt2.generate(texts, { eos_token_id: [] }, { onToken, signal: canceller.signal });
    await expect(answers).rejects.toThrow(/was cancelled/);
    expect((await first({ eos_token_id: [], max_new_tokens: 2 })).ids).toHaveLength(2);
  });

  test("with an error where no token is left", async () => {
    const everything = Array.from({ length: Number(tinyGpt2.vocab_size) }, (_, id) => id);
    await expect(gpt2.generate(texts, { suppress_tokens: everything })).rejects.toThrow(
      /forbid every next token/,
    );
  });
});

describe("draws", () => {
  const options = { do_sample: true, max_new_tokens: 10, temperature: 2, eos_token_id: [] };

  test("follow from the seed alone", async () => {
    const ids = async (extra: GenerationOptions) => (await first({ ...options, ...extra })).ids;
    expect(await ids({ seed: 1 })).toEqual(await ids({ seed: 1 }));
    expect(await ids({ seed: 1 })).not.toEqual(await ids({ seed: 2 }));
    expect(await ids({})).not.toEqual(await ids({}));
  });

  test("of one prompt differ from each other", async () => {
    const [answers] = await gpt2.generate([texts[0]!], { ...options, seed: 1, num_return_sequences: 4 });
    expect(new Set(answers!.map(({ ids }) => ids.join())).size).toBe(4);
  });
});

describe("a prompt", () => {
  test("of nothing begins with the model's first token", async () => {
    expect(await first({}, { ids: [] })).toEqual(await first({}, { ids: [2] }));
    expect(await first({ bos_token_id: 7 }, {})).toEqual(await first({}, { ids: [7] }));
    const [source] = sources();
    const [again] = sources();
    expect(await first({}, source, marian)).toEqual(await first({}, { ...again, ids: [0] }, marian));
  });

  test("of nothing is refused where there is no first token", async () => {
    await expect(gpt2.generate([{}], { bos_token_id: null })).rejects.toThrow(/prompt 1: is empty/);
  });

  test("of an encoder–decoder needs a source, any other has none", async () => {
    await expect(gpt2.generate(sources())).rejects.toThrow(/prompt 1: must have no source/);
    const images = [{ source: { pixel_values: Tensor.zeros("float32", [1]) } }];
    await expect(marian.generate(images)).rejects.toThrow(/needs the encoder's input "input_ids"/);
    await expect(marian.generate([{ ids: [0] }])).rejects.toThrow(/prompt 1: needs a source/);
    expect((await first({}, sources()[0]!, marian)).ids.length).toBeGreaterThan(0);
  });
});

describe("tokens as they come", () => {
  test("are those of the answers, in order", async () => {
    const tokens: StreamedToken[] = [];
    const answers = await gpt2.generate(
      texts,
      { max_new_tokens: 9 },
      { onToken: (token) => tokens.push(token) },
    );
    for (const [prompt, [best]] of answers.entries()) {
      expect(tokens.filter((token) => token.prompt === prompt).map(({ id }) => id)).toEqual(best!.ids);
    }
  });

  test("may be left early, and beams give theirs at the end", async () => {
    const { ids } = await first({ eos_token_id: [] });
    const seen: number[] = [];
    for await (const id of streamTokens(gpt2, texts[0]!, { eos_token_id: [] })) {
      if (seen.push(id) === 3) break;
    }
    expect(seen).toEqual(ids.slice(0, 3));
    const beams = await first({ num_beams: 3 });
    const streamed = [];
    for await (const id of streamTokens(gpt2, texts[0]!, { num_beams: 3 })) streamed.push(id);
    expect(streamed).toEqual(beams.ids);
  });

  test("end with the error of the work", async () => {
    const read = async () => {
      for await (const _ of streamTokens(gpt2, {}, { bos_token_id: null })) expect.unreachable();
    };
    await expect(read()).rejects.toThrow(/is empty/);
  });
});

describe("a generator in a thread of its own", () => {
  let threaded: ThreadedGenerator;
  beforeAll(async () => {
    threaded = await ThreadedGenerator.open(join(folder, "gpt2"));
  });
  afterAll(() => threaded.release());

  test("gives the same answers and the same tokens as they come", async () => {
    const tokens: StreamedToken[] = [];
    const options = { max_new_tokens: 12 };
    const answers = await threaded.generate(texts, options, { onToken: (token) => tokens.push(token) });
    expect(answers).toEqual(await gpt2.generate(texts, options));
    expect(tokens).toHaveLength(answers.flat().reduce((sum, { ids }) => sum + ids.length, 0));
    expect(threaded.defaults).toEqual(gpt2.defaults);
  });

  test("throws errors of their class", async () => {
    await expect(threaded.generate([{}], { bos_token_id: null })).rejects.toThrow(/prompt 1: is empty/);
    await expect(ThreadedGenerator.open(join(folder, "nowhere"))).rejects.toThrow(/config\.json/);
  });

  test("is cancelled between two tokens", async () => {
    const canceller = new AbortController();
    const options = { eos_token_id: [], max_new_tokens: 150 };
    const hooks = { signal: canceller.signal, onToken: () => canceller.abort() };
    await expect(threaded.generate([texts[0]!], options, hooks)).rejects.toThrow(/was cancelled/);
  });
});
