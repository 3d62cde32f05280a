/** The page's script against a real server, in a context with stand-ins for the parts of a browser that it uses. */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { Catalog } from "../store/catalog.ts";
import { ModelStore } from "../store/store.ts";
import { createKey, readKeys } from "./access/key-file.ts";
import { KeyRing } from "./access/key-ring.ts";
import { buildServer } from "./server.ts";

const folder = useTemporaryFolder();
const keys = { user: "", monitor: "", slow: "" };
const urls = { open: "", guarded: "" };
const servers: FastifyInstance[] = [];

beforeAll(async () => {
  const config = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
  const model = await writeTinyModel(join(folder, "reviews"), config);
  const file = join(folder, "keys.json");
  keys.user = (await createKey(file, "user", ["predict"])).text;
  keys.monitor = (await createKey(file, "monitor", ["metrics"])).text;
  keys.slow = (await createKey(file, "slow", ["predict"], { requestsPerSecond: 0.001 })).text;
  const catalog = new Catalog(new ModelStore(join(folder, "home")), join(folder, "none"));
  const options = { catalog, models: [model], session: { threads: 1 } };
  const guard = { keys: new KeyRing(await readKeys(file)) };
  const [open, guarded] = [await buildServer(options), await buildServer({ ...options, guard })];
  servers.push(open, guarded);
  urls.open = await open.listen({ host: "127.0.0.1", port: 0 });
  urls.guarded = await guarded.listen({ host: "127.0.0.1", port: 0 });
  const isReady = async (server: FastifyInstance) =>
    (await server.inject("/health/ready")).statusCode === 200;
  for (const server of servers) await vi.waitUntil(() => isReady(server), 30_000); // its task is known then
});
afterAll(() => Promise.all(servers.map((server) => server.close())));

interface Shown {
  hidden: boolean;
  textContent: string;
  value: string;
  children: readonly unknown[];
  listeners: Map<string, (event: object) => unknown>;
}

class StandIn implements Shown {
  textContent = "";
  value = "";
  children: readonly unknown[] = [];
  readonly files = [];
  readonly style = {};
  readonly listeners: Shown["listeners"] = new Map();
  constructor(public hidden: boolean) {}
  addEventListener(name: string, listener: (event: object) => unknown): void {
    this.listeners.set(name, listener);
  }
  replaceChildren(...children: readonly (unknown & { value?: string })[]): void {
    this.children = children;
    this.value = children[0]?.value ?? "";
  }
  append(): void {}
  focus(): void {}
}

/** Opens the page in a tab of its own; `byId` gives what it shows. */
async function openPage(url: string) {
  const html = await (await fetch(url)).text();
  const elements = new Map<string, StandIn>();
  const byId = (id: string): StandIn => {
    const element = elements.get(id) ?? new StandIn(new RegExp(`id="${id}"[^>]* hidden`).test(html));
    elements.set(id, element);
    return element;
  };
  const kept = new Map<string, string>();
  const browser = {
    document: { getElementById: byId, createElement: () => new StandIn(false) },
    sessionStorage: {
      getItem: (name: string) => kept.get(name) ?? null,
      setItem: (name: string, value: string) => void kept.set(name, value),
    },
    fetch: (path: string, options: RequestInit) => fetch(url + path, options),
    Option: class {
      constructor(
        readonly text: string,
        readonly value: string,
      ) {}
    },
    performance,
  };
  runInContext(/<script>([\s\S]*)<\/script>/.exec(html)![1]!, createContext(browser));
  const submit = (form: string): unknown =>
    byId(form).listeners.get("submit")!({ preventDefault: () => undefined });
  const useKey = async (key: string): Promise<void> => {
    byId("key").value = key;
    submit("key-form");
  };
  return { byId, submit, useKey };
}

type Page = Awaited<ReturnType<typeof openPage>>;
const showsModels = ({ byId }: Page) => [byId("form").hidden, byId("key-form").hidden];

describe("the page", () => {
  test("runs the script that its policy names, and no other", async () => {
    const answer = await fetch(urls.open);
    const script = /<script>([\s\S]*)<\/script>/.exec(await answer.text())![1]!;
    const hash = createHash("sha256").update(script).digest("base64");
    expect(answer.headers.get("content-security-policy")).toContain(`script-src 'sha256-${hash}'`);
  });

  test("asks for no key where none is needed", async () => {
    const page = await openPage(urls.open);
    await expect.poll(() => showsModels(page)).toEqual([false, true]);
    page.submit("form");
    await expect.poll(() => page.byId("bars").children.length).toBe(2);
  });

  test("asks for a key where the server does, and then asks models with it", async () => {
    const page = await openPage(urls.guarded);
    await expect.poll(() => showsModels(page)).toEqual([true, false]);
    expect(page.byId("key-error").hidden).toBe(true);
    await page.useKey(` ${keys.user} `);
    await expect.poll(() => showsModels(page)).toEqual([false, true]);
    expect(page.byId("key").value).toBe("");
    page.submit("form");
    await expect.poll(() => page.byId("bars").children.length).toBe(2);
    expect(page.byId("error").hidden).toBe(true);
  });

  test("tells why a key is refused, and takes another", async () => {
    const page = await openPage(urls.guarded);
    const error = page.byId("key-error");
    await page.useKey("tess_00000000_x");
    await expect.poll(() => error.textContent).toMatch(/^Not let in: .* not known here/);
    await page.useKey(keys.monitor);
    await expect.poll(() => error.textContent).toMatch(/^Not allowed: .*does not allow predict/);
    expect([error.hidden, ...showsModels(page)]).toEqual([false, true, false]);
    await page.useKey(keys.user);
    await expect.poll(() => showsModels(page)).toEqual([false, true]);
  });

  test("tells when a key asks too much, and when to come again", async () => {
    const page = await openPage(urls.guarded);
    await page.useKey(keys.slow);
    await expect.poll(() => showsModels(page)).toEqual([false, true]);
    page.submit("form");
    await expect.poll(() => page.byId("error").textContent).toMatch(/^Too much at once: .*\(after \d+ s\)/);
  });
});
