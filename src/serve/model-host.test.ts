import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyGpt2 } from "../../test/support/tiny-generators.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { pipeline } from "../tasks/pipeline.ts";
import { openCache } from "./cache/answer-cache.ts";
import { type HostOptions, ModelHost } from "./model-host.ts";

const root = useTemporaryFolder();
const folders = { masks: join(root, "masks"), labels: join(root, "labels"), stories: join(root, "stories") };
beforeAll(async () => {
  await writeTinyModel(folders.masks, tinyConfig("BertForMaskedLM"));
  await writeTinyModel(
    folders.labels,
    tinyConfig("BertForSequenceClassification", withLabels("bad", "fair", "good")),
  );
  await writeTinyModel(folders.stories, tinyGpt2);
});

const createHost = (name: string, options: Partial<HostOptions> = {}) =>
  new ModelHost(
    { ref: name, name, source: "folder", folder: join(root, name) },
    { maxQueue: 64, session: { threads: 1 }, ...options },
  );

/** A worker that ends, or hangs for three seconds, when it is asked for that. */
const restlessWorker = pathToFileURL(join(process.cwd(), "test/support/restless-worker.mjs"));
const ask = (inputs: unknown) => ({ inputs, parameters: {} });
const question = { inputs: "the [MASK] was good", parameters: { top_k: 1 } };

describe("a model host", () => {
  test("opens its model at the first request, once for several", async () => {
    const host = createHost("masks");
    expect(host.state).toBe("idle");
    const answers = await Promise.all([host.predict(question), host.predict(question)]);
    expect(answers[0]).toEqual(answers[1]);
    expect([host.state, host.description?.task, host.queueLength]).toEqual(["ready", "fill-mask", 0]);
    await host.close();
  });

  test("tries again after a model that did not open", async () => {
    const host = createHost("late");
    await expect(host.predict(question)).rejects.toMatchObject({ code: "not_found" });
    expect([host.state, host.live().isAvailable]).toEqual(["failed", false]);
    await writeTinyModel(join(root, "late"), tinyConfig("BertForMaskedLM"));
    expect(await host.predict(question)).toHaveLength(1);
    await host.close();
  });

  test("refuses a model that computes no numbers", async () => {
    const config = tinyConfig("BertForMaskedLM", { initializer_range: Number.MAX_VALUE });
    await writeTinyModel(join(root, "broken"), config);
    const host = createHost("broken");
    await expect(host.open()).rejects.toThrow(/gives (NaN|Infinity) in its output logits/);
    await host.close();
  });

  test("answers many at once, of many lengths and tenants, as it answers one by one", async () => {
    const host = createHost("labels");
    const words = "the film was good and not so dull , it runs on one day in paris".split(" ");
    const texts = Array.from({ length: 60 }, (_, at) => words.slice(0, 1 + ((at * 7) % 15)).join(" "));
    const parameters = { top_k: null };
    const together = await Promise.all(
      texts.map((inputs, at) =>
        host.predict(
          { inputs, parameters },
          { tenant: `t${at % 5}`, priority: at % 3 ? "low" : "high", deadlineMs: 60_000 },
        ),
      ),
    );
    for (const [at, inputs] of texts.entries()) {
      const alone = (await host.predict({ inputs, parameters })) as { label: string; score: number }[];
      for (const [rank, { label, score }] of alone.entries()) {
        const batched = (together[at] as typeof alone)[rank]!;
        expect(batched.label).toBe(label);
        expect(batched.score).toBeCloseTo(score, 5);
      }
    }
    await host.close();
  });

  test("gives up at the deadline, at once when it has passed, and when the caller leaves", async () => {
    const host = createHost("masks");
    await host.open();
    await expect(host.predict(question, { deadlineMs: 0 })).rejects.toMatchObject({ code: "deadline" });
    const caller = new AbortController();
    const asked = host.predict(question, { signal: caller.signal });
    caller.abort();
    await expect(asked).rejects.toMatchObject({ code: "interrupted" });
    await expect.poll(() => host.queueLength).toBe(0);
    expect(await host.predict(question, { deadlineMs: 30_000 })).toHaveLength(1);
    await host.close();
  });

  test("computes a question once, also where it is asked in another form, but not what is drawn at random", async () => {
    const cache = openCache();
    const host = createHost("masks", { cache });
    const [first, second] = await Promise.all([host.predict(question), host.predict(question)]);
    const third = await host.predict({ ...question, inputs: { text: question.inputs } });
    expect([second, third]).toEqual([first, first]);
    expect(cache.counts).toEqual({ miss: 1, joined: 1, hit: 1 });
    await host.close();

    const writer = createHost("stories", { cache });
    const sampled = { inputs: "the book", parameters: { do_sample: true, max_new_tokens: 8 } };
    await writer.predict(sampled);
    await writer.predict(sampled);
    expect(cache.counts.miss).toBe(1);
    const seeded = { ...sampled, parameters: { ...sampled.parameters, seed: 1 } };
    expect(await writer.predict(seeded)).toEqual(await writer.predict(seeded));
    expect(cache.counts).toMatchObject({ miss: 2, hit: 2 });
    await writer.close();
  });

  test("waits for what is under way before it closes, and passes on what comes later", async () => {
    const next = createHost("masks");
    const model = { ref: "masks", name: "masks", source: "folder", folder: folders.masks } as const;
    const host = new ModelHost(model, { maxQueue: 8, session: { threads: 1 } }, async () => next);
    const asked = host.predict(question);
    const closed = host.close();
    const later = host.predict(question);
    expect(await asked).toEqual(await later);
    await closed;
    expect([host.state, next.state]).toEqual(["idle", "ready"]);
    await next.close();
  });
});

describe("a stream", () => {
  const story = { inputs: "the book of", parameters: { max_new_tokens: 12, no_repeat_ngram_size: 2 } };

  test("has the text that the pipeline gives, in pieces, and its details at the end", async () => {
    const host = createHost("stories");
    const generate = await pipeline("text-generation", folders.stories);
    const [expected] = await generate(story.inputs, { ...story.parameters, return_full_text: false });
    const pieces: string[] = [];
    const stream = host.stream(story);
    let next = await stream.next();
    for (; !next.done; next = await stream.next()) pieces.push(next.value);
    expect(pieces.join("")).toBe(expected!.generated_text);
    expect(pieces.length).toBeGreaterThan(3);
    expect(next.value.generated_tokens).toBe(12);
    expect(host.queueLength).toBe(0);
    await Promise.all([host.close(), generate.dispose()]);
  });

  test("ends when the loop is left, when its caller goes, and at its deadline", async () => {
    const host = createHost("stories");
    const long = { ...story, parameters: { max_new_tokens: 50 } };
    for await (const _ of host.stream(long)) break;
    const caller = new AbortController();
    const left = async (): Promise<void> => {
      for await (const _ of host.stream(long, { signal: caller.signal })) caller.abort();
    };
    await expect(left()).rejects.toMatchObject({ code: "interrupted" });
    const late = host.stream(long, { deadlineMs: 0 });
    await expect(late.next()).rejects.toMatchObject({ code: "deadline" });
    await expect.poll(() => host.queueLength).toBe(0);
    await host.close();
  });

  test("is refused by a model that answers in one piece", async () => {
    const host = createHost("masks");
    await expect(host.stream(question).next()).rejects.toMatchObject({ code: "unsupported" });
    await host.close();
  });
});

describe("a worker", () => {
  const restless = (): ModelHost =>
    createHost("masks", { module: restlessWorker, hangMs: 400, maxQueue: 1000 });

  test("that dies is started again at once, and after a pause when it dies again", async () => {
    const host = restless();
    expect(await host.predict(ask("hello"))).toBe("hello");
    const waiting = host.predict(ask("wait"));
    await expect(host.predict(ask("exit"))).rejects.toMatchObject({ code: "runtime" });
    await expect(waiting).rejects.toMatchObject({ code: "runtime" });
    expect(await host.predict(ask("hello"))).toBe("hello");
    await expect(host.predict(ask("exit"))).rejects.toMatchObject({ code: "runtime" });
    await expect.poll(() => host.live().isAvailable).toBe(false);
    await expect(host.predict(ask("hello"))).rejects.toMatchObject({ code: "unavailable" });
    await expect.poll(() => host.state).toBe("ready");
    expect(await host.predict(ask("hello"))).toBe("hello");
    await host.close();
  });

  test("that hangs is given up, and another answers", async () => {
    const host = restless();
    await host.open();
    await expect(host.predict(ask("hang"))).rejects.toThrow(/no sign of life for 400 ms/);
    expect(await host.predict(ask("hello"))).toBe("hello");
    await host.close();
  });
});
