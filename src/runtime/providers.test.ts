import { describe, expect, test } from "vitest";
import { RuntimeFailure } from "../errors.ts";
import { chooseProvider, listProviders, type Provider, problemOf } from "./providers.ts";

const silent = () => {
  throw new Error("log must not be called");
};

/** A provider that does not work on this machine; a machine where all work skips these tests. */
async function missingProvider(): Promise<Provider | undefined> {
  return (await listProviders()).find(({ usable }) => !usable)?.name;
}

describe("listProviders", () => {
  test("finds cpu usable and gives a sentence for what is not", async () => {
    const states = await listProviders();
    expect(states.map(({ name }) => name)).toEqual(["cpu", "webgpu", "cuda", "tensorrt"]);
    expect(states[0]).toEqual({ name: "cpu", usable: true, problem: undefined });
    for (const { name, usable, problem } of states) {
      if (!usable) expect(problem).toMatch(new RegExp(`^provider ${name}: .*(install|does not have)`));
    }
  });
});

describe("chooseProvider", () => {
  test("takes cpu without a word", async () => {
    expect(await chooseProvider({ provider: "cpu" }, silent)).toBe("cpu");
  });

  test("auto never warns, and is cuda only where cuda works", async () => {
    const expected = (await problemOf("cuda")) === undefined ? "cuda" : "cpu";
    expect(await chooseProvider({}, silent)).toBe(expected);
  });

  test("falls back to cpu and says so", async ({ skip }) => {
    const provider = await missingProvider();
    if (!provider) return skip("every provider works on this machine");
    const messages: string[] = [];
    expect(await chooseProvider({ provider }, (message) => messages.push(message))).toBe("cpu");
    expect(messages).toEqual([`${await problemOf(provider)}; using cpu`]);
  });

  test("throws instead when the provider is forced", async ({ skip }) => {
    const provider = await missingProvider();
    if (!provider) return skip("every provider works on this machine");
    const choice = chooseProvider({ provider, forceProvider: true }, silent);
    await expect(choice).rejects.toBeInstanceOf(RuntimeFailure);
    await expect(choice).rejects.toMatchObject({ code: "unsupported" });
  });
});
