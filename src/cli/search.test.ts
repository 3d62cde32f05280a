import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { pngOf, writeTinyClip, writeTinyMatcher } from "../../test/support/tiny-images.ts";
import type { RetrievalIndex } from "../retrieval/open-index.ts";
import { defaultLimits } from "../serve/limits.ts";
import { buildServer } from "../serve/server.ts";
import { Catalog } from "../store/catalog.ts";
import { ModelStore } from "../store/store.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder);
type Found = Awaited<ReturnType<RetrievalIndex["search"]>>;

async function json(args: readonly string[]): Promise<{ found: Found; computed: number; removed: number }> {
  const { code, stdout, stderr } = await run([...args, "--json"]);
  expect([code, stderr]).toEqual([0, expect.anything()]);
  return JSON.parse(stdout);
}

beforeAll(async () => {
  await writeTinyClip(join(folder, "clip"));
  await writeTinyMatcher(join(folder, "itm"));
  mkdirSync(join(folder, "photos"));
  for (let at = 0; at < 5; at++) writeFileSync(join(folder, "photos", `${at}.png`), await pngOf(20, at));
  const rows = ["image,caption", "photos/0.png,a film", "photos/1.png,the good book", "gone.png,a story"];
  writeFileSync(join(folder, "pairs.csv"), rows.join("\n"));
});

describe("index and search", { timeout: 120_000 }, () => {
  test("pictures are found by themselves and by texts, and a matcher orders them again", async () => {
    const made = ["index", "photos", "--model", "./clip", "--out", "./found"];
    expect(await json(made)).toMatchObject({ items: 5, computed: 5 });
    expect(await json(made)).toMatchObject({ items: 5, computed: 0 });
    const self = await json(["search", "./found", "photos/3.png", "--top-k", "2"]);
    expect(self.found).toHaveLength(2);
    expect(self.found[0]).toEqual({ source: join(folder, "photos/3.png"), score: expect.closeTo(1, 3) });
    const plain = await json(["search", "./found", "a good film"]);
    const again = await json(["search", "./found", "a good film", "--rerank", "./itm"]);
    expect(again.found.map(({ source }) => source).sort()).toEqual(
      plain.found.map(({ source }) => source).sort(),
    );
    for (const { match } of again.found) expect(match).toBeGreaterThan(0);
    const same = await run(["search", "./found", "photos/3.png", "--rerank", "./itm"]);
    expect([same.code, same.stderr]).toEqual([2, expect.stringMatching(/pairs of a picture and a text/)]);
  });

  test("captions are found by texts", async () => {
    await json(["index", "pairs.csv", "--captions", "--model", "./itm", "--out", "captions"]);
    const { found } = await json(["search", "captions", "the good book", "--top-k", "1"]);
    expect(found[0]).toMatchObject({ text: "the good book", score: expect.closeTo(1, 3) });
  });

  test("an index that is not there, or of changed weights, is refused with what to do", async () => {
    const missing = await run(["search", "nothing", "a film"]);
    expect([missing.code, missing.stderr]).toEqual([
      2,
      expect.stringMatching(/make one with tesserae index/),
    ]);
    await json(["index", "photos", "--model", "./clip", "--out", "./old"]);
    const config = join(folder, "clip", "config.json");
    const kept = readFileSync(config);
    writeFileSync(config, `${kept}\n`);
    const changed = await run(["search", "./old", "a film"]);
    writeFileSync(config, kept);
    expect(changed.stderr).toMatch(/other weights .* run tesserae index again/);
  });
});

describe("POST /v1/search/:index", { timeout: 120_000 }, () => {
  let server: Awaited<ReturnType<typeof buildServer>>;
  beforeAll(async () => {
    await json(["index", "photos", "--model", "./clip", "--out", "./served"]);
    await json(["index", "photos", "--model", "./itm", "--out", "./matched"]);
    server = await serverOf(["served", "matched"]);
  }, 120_000);
  afterAll(() => server.close());
  const serverOf = (names: readonly string[], matcher?: string) =>
    buildServer({
      catalog: new Catalog(new ModelStore(join(folder, "home")), join(folder, "none")),
      indexes: names.map((name) => join(folder, name)),
      matcher,
      limits: { ...defaultLimits },
    });
  const ask = (payload: Buffer | object, type = "application/json", name = "served") =>
    server.inject({ method: "POST", url: `/v1/search/${name}`, headers: { "content-type": type }, payload });

  test("finds pictures by a picture's bytes, by base64 and by a text", async () => {
    const png = readFileSync(join(folder, "photos", "2.png"));
    const first = { source: join(folder, "photos", "2.png"), score: expect.closeTo(1, 3) };
    expect((await ask(png, "image/png")).json()[0]).toEqual(first);
    const body = { inputs: { image: png.toString("base64") }, parameters: { top_k: 1 } };
    expect((await ask(body)).json()).toEqual([first]);
    const { found } = await json(["search", "./served", "a film"]);
    const answered = (await ask({ inputs: "a film" })).json() as Found;
    expect(answered.map(({ source }) => source)).toEqual(found.map(({ source }) => source));
  });

  test("looks closer at as many as are asked for, with the index's own model where it matches", async () => {
    const plain = (await ask({ inputs: "a good film" }, undefined, "matched")).json() as Found;
    const parameters = { rerank: 3, top_k: 4 };
    const closer = (await ask({ inputs: "a good film", parameters }, undefined, "matched")).json() as Found;
    expect(closer.map(({ match }) => match === undefined)).toEqual([false, false, false, true]);
    expect(closer[3]).toEqual(plain[3]);
    const sources = (found: Found): string[] => found.map(({ source }) => source).sort();
    expect(sources(closer)).toEqual(sources(plain.slice(0, 4)));
    const logOdds = closer.slice(0, 3).map(({ score, match }) => Math.log(match! / (1 - match!)) + score);
    expect(logOdds).toEqual([...logOdds].sort((a, b) => b - a));
    const same = await ask(readFileSync(join(folder, "photos", "2.png")), "image/png", "matched");
    expect(same.statusCode).toBe(200);
  });

  test("looks closer at a CLIP's finds only where the server has a matcher", async () => {
    const question = { inputs: "a good film", parameters: { rerank: 5 } };
    const refused = await ask(question);
    expect([refused.statusCode, refused.json().detail]).toEqual([
      400,
      expect.stringMatching(/serve with --rerank/),
    ]);
    const other = await serverOf(["served"], join(folder, "itm"));
    const answer = await other.inject({ method: "POST", url: "/v1/search/served", payload: question });
    const { found } = await json(["search", "./served", "a good film", "--rerank", "./itm"]);
    expect(answer.json()).toEqual(
      found.map((item) => ({
        ...item,
        score: expect.closeTo(item.score, 5),
        match: expect.closeTo(item.match!, 5),
      })),
    );
    await other.close();
  });

  test("refuses unknown indexes and bodies that ask nothing", async () => {
    const unknown = await ask({ inputs: "a film" }, "application/json", "other");
    expect([unknown.statusCode, unknown.json().detail]).toEqual([
      404,
      expect.stringMatching(/known are served/),
    ]);
    expect((await ask({ inputs: " " })).statusCode).toBe(400);
    expect((await ask({ inputs: "a", parameters: { top_k: 0 } })).json().detail).toMatch(/top_k/);
    expect((await ask({ inputs: { image: "not base 64!" } })).statusCode).toBe(400);
  });
});
