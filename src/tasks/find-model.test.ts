import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, writeTinyModel } from "../../test/support/tiny-model.ts";
import { Catalog } from "../store/catalog.ts";
import { ModelStore } from "../store/store.ts";
import { findModel } from "./find-model.ts";

const folder = useTemporaryFolder();
const store = new ModelStore(join(folder, "store"));
const catalog = new Catalog(store);

describe("models", () => {
  afterEach(() => vi.unstubAllEnvs());

  test("are found as folders and as versions in the store", async () => {
    const source = await writeTinyModel(join(folder, "tiny"), tinyConfig("BertModel"));
    expect(await findModel(source, catalog)).toBe(source);
    const { folder: stored } = await store.add("small-bert", source, { task: "feature-extraction" });
    expect(await findModel("small-bert", catalog)).toBe(stored);
    expect(await findModel("small-bert@1", catalog)).toBe(stored);
  });

  test("that are nowhere are named, with what is like them in the store", async () => {
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    mkdirSync(join(folder, "cache"));
    vi.stubEnv("HF_HUB_CACHE", join(folder, "cache"));
    await expect(findModel("smal-bert", catalog)).rejects.toThrow(/did you mean "small-bert"/);
    await expect(findModel("small-bert@7", catalog)).rejects.toThrow(/no such version; it has small-bert@1/);
    await expect(findModel("org/absent", catalog)).rejects.toThrow(/not completely in the cache/);
  });
});
