import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { ConfigError } from "../errors.ts";
import { ModelStore, type VersionInfo } from "./store.ts";

const folder = useTemporaryFolder();
const info: VersionInfo = { task: "text-classification", labels: ["no", "yes"], metrics: { accuracy: 0.8 } };

let store: ModelStore;
let storeNumber = 0;

beforeEach(() => {
  store = new ModelStore(join(folder, `store-${storeNumber++}`));
});

/** Fills a version with one file of that text. */
const withText = (text: string) => (place: string) => writeFile(join(place, "config.json"), text);

const refs = async (): Promise<string[]> => (await store.list()).map(({ ref }) => ref);

describe("ModelStore", () => {
  test("a version is a folder with its files and a manifest of their hashes", async () => {
    const lineage = {
      parent: "bert@1",
      command: "tesserae train",
      config: { seed: 1 },
      data: { "a.csv": "0".repeat(64) },
    };
    const version = await store.add("reviews", withText("{}"), { ...info, lineage });
    expect(version.ref).toBe("reviews@1");
    expect(version.folder).toBe(join(store.root, "models", "reviews", "1"));
    expect((await readdir(version.folder)).sort()).toEqual(["config.json", "manifest.json"]);
    expect(version.manifest).toMatchObject({ name: "reviews", version: 1, ...info, lineage });
    expect(version.manifest.files).toEqual({
      "config.json": {
        sha256: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        sizeBytes: 2,
      },
    });
    expect(await store.get("reviews")).toEqual(version);
    expect(await readdir(join(store.root, "staging"))).toEqual([]);
  });

  test("a folder is copied with its subfolders, links followed, its manifest left out", async () => {
    const source = join(folder, "source");
    await mkdir(join(source, "nested"), { recursive: true });
    await mkdir(join(folder, "blobs"));
    await writeFile(join(folder, "blobs", "x"), "weights");
    await symlink(join("..", "blobs", "x"), join(source, "model.safetensors"));
    await symlink(join("..", "..", "blobs", "x"), join(source, "nested", "link"));
    await writeFile(join(source, "manifest.json"), "someone else's");
    const { folder: added, manifest } = await store.add("copy", source, info);
    expect(Object.keys(manifest.files)).toEqual(["model.safetensors", "nested/link"]);
    await rm(join(folder, "blobs"), { recursive: true });
    expect(await readFile(join(added, "nested", "link"), "utf8")).toBe("weights");
    expect(await store.verify("copy")).toEqual([]);
    expect((await stat(added)).mode & 0o055).toBe(0o055 & ~process.umask());
  });

  test("versions are counted and listed, and a name alone is the newest", async () => {
    for (let i = 1; i <= 11; i++) await store.add("b", withText(`${i}`), info);
    await store.add("a", withText("1"), info);
    expect(await refs()).toEqual(["a@1", ...Array.from({ length: 11 }, (_, i) => `b@${i + 1}`)]);
    expect((await store.get("b")).ref).toBe("b@11");
    expect(await readFile(join((await store.get("b@2")).folder, "config.json"), "utf8")).toBe("2");
  });

  test("the same content is the version that has it already", async () => {
    await store.add("a", withText("1"), info);
    await store.add("a", withText("2"), info);
    expect((await store.add("a", withText("1"), { task: "other" })).ref).toBe("a@1");
    expect((await store.add("b", withText("1"), info)).ref).toBe("b@1");
    expect(await refs()).toEqual(["a@1", "a@2", "b@1"]);
  });

  test("a removed version is gone and its number is not given again", async () => {
    for (const text of ["1", "2", "3"]) await store.add("a", withText(text), info);
    await store.remove("a@3");
    expect(await refs()).toEqual(["a@1", "a@2"]);
    expect((await store.get("a")).ref).toBe("a@2");
    await expect(store.get("a@3")).rejects.toThrow('"a" has no such version; it has 1, 2');
    await expect(store.remove("a@3")).rejects.toMatchObject({ code: "not_found" });
    await expect(store.remove("a")).rejects.toThrow(/which version to remove, such as a@1/);
    expect((await store.add("a", withText("4"), info)).ref).toBe("a@4");
  });

  test("an unknown name is answered with the nearest one", async () => {
    await expect(store.get("reviews")).rejects.toThrow('no model "reviews"; the store is empty');
    await store.add("reviews", withText("1"), info);
    await expect(store.get("reviwes")).rejects.toMatchObject({
      code: "not_found",
      message: 'store: there is no model "reviwes"; did you mean "reviews"?',
    });
    await expect(store.get("zzzzzz")).rejects.toThrow(/`tesserae list` shows/);
  });

  test("verify names missing, changed and added files", async () => {
    const fill = async (place: string) => {
      for (const name of ["a", "b", "c"]) await writeFile(join(place, name), name);
    };
    const version = await store.add("m", fill, info);
    await writeFile(join(version.folder, "a"), "x");
    await rm(join(version.folder, "b"));
    await writeFile(join(version.folder, "d"), "");
    expect(await store.verify("m@1")).toEqual([
      { path: "a", problem: "changed" },
      { path: "b", problem: "missing" },
      { path: "d", problem: "not in the manifest" },
    ]);
  });

  test("a failing source leaves nothing behind", async () => {
    const failing = async (place: string) => {
      await writeFile(join(place, "half"), "");
      throw new Error("training was stopped");
    };
    await expect(store.add("a", failing, info)).rejects.toThrow("training was stopped");
    expect(await refs()).toEqual([]);
    expect(await readdir(join(store.root, "staging"))).toEqual([]);
  });

  test("bad names, empty sources, missing folders and metrics that are not finite are refused", async () => {
    await expect(store.add("../x", withText("1"), info)).rejects.toThrow(ConfigError);
    await expect(store.add("a", async () => {}, info)).rejects.toThrow(/no files to add/);
    await expect(store.add("a", join(folder, "none"), info)).rejects.toThrow(/none is not a folder/);
    await expect(store.add("a", withText("1"), { task: "t", metrics: { loss: Number.NaN } })).rejects.toThrow(
      /loss/,
    );
    expect(await refs()).toEqual([]);
  });

  test("a damaged manifest is named, does not block new versions and can be removed", async () => {
    const { folder: damaged } = await store.add("a", withText("1"), info);
    await writeFile(join(damaged, "manifest.json"), '{"name":"a"}');
    await expect(store.get("a")).rejects.toThrow(
      `${join(damaged, "manifest.json")}: is not a valid manifest`,
    );
    expect((await store.add("a", withText("1"), info)).ref).toBe("a@2");
    await store.remove("a@1");
    expect(await refs()).toEqual(["a@2"]);
  });

  test("staging folders of killed writers are removed after a day", async () => {
    const staging = join(store.root, "staging");
    for (const name of ["old", "young"]) await mkdir(join(staging, name), { recursive: true });
    const twoDaysAgo = new Date(Date.now() - 2 * 86400_000);
    await utimes(join(staging, "old"), twoDaysAgo, twoDaysAgo);
    await store.add("a", withText("1"), info);
    expect(await readdir(staging)).toEqual(["young"]);
  });

  test("writers in several processes each get a number of their own", async () => {
    const script = `
      import { writeFile } from "node:fs/promises";
      import { ModelStore } from ${JSON.stringify(new URL("./store.ts", import.meta.url).href)};
      const [root, writer] = process.argv.slice(1);
      const store = new ModelStore(root);
      for (let i = 0; i < 5; i++) {
        await store.add("m", (folder) => writeFile(folder + "/x", writer + i), { task: "t" });
        await store.add("m", (folder) => writeFile(folder + "/x", "same"), { task: "t" });
      }`;
    const write = (writer: string): Promise<number | null> =>
      new Promise((resolve) => {
        const args = ["--import", "tsx", "--input-type=module", "--eval", script, store.root, writer];
        spawn(process.execPath, args, { stdio: "inherit" }).once("close", resolve);
      });
    expect(await Promise.all(["p", "q", "r"].map(write))).toEqual([0, 0, 0]);
    const versions = await store.list();
    expect(versions.map(({ manifest }) => manifest.version)).toEqual(
      Array.from({ length: 16 }, (_, i) => i + 1),
    );
    const texts = versions.map((version) => readFile(join(version.folder, "x"), "utf8"));
    expect(new Set(await Promise.all(texts)).size).toBe(16);
    for (const { ref } of versions) expect(await store.verify(ref)).toEqual([]);
  });
});
