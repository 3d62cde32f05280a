import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { readConfig } from "../models/config.ts";
import { Catalog } from "./catalog.ts";
import { ModelStore } from "./store.ts";
import { addVariant, listVariants, openVariant, type VariantInfo } from "./variants.ts";

const folder = useTemporaryFolder();
const info: VariantInfo = {
  kind: "dynamic-int8",
  config: { layers: 3 },
  tolerance: 0.01,
  metrics: { accuracy: 0.75 },
};
const withText = (text: string) => (place: string) => writeFile(join(place, "model.onnx"), text);

let store: ModelStore;
let catalog: Catalog;
let bundled: string;
let stores = 0;

beforeEach(async () => {
  const root = join(folder, String(stores++));
  store = new ModelStore(join(root, "store"));
  bundled = join(root, "bundled", "small");
  await mkdir(bundled, { recursive: true });
  await writeFile(join(bundled, "config.json"), "{}");
  catalog = new Catalog(store, join(root, "bundled"));
  for (const layers of [1, 2]) {
    const fill = (place: string) =>
      writeFile(join(place, "config.json"), JSON.stringify({ layers, size: 8 }));
    await store.add("m", fill, { task: "t" });
  }
});

describe("a name", () => {
  test("means the newest version in the store before a bundled model", async () => {
    expect((await catalog.find("small")).source).toBe("bundled");
    await store.add("small", (place) => writeFile(join(place, "config.json"), "{}"), { task: "t" });
    expect(await catalog.find("small")).toMatchObject({ ref: "small@1", source: "store" });
  });

  test("of a bundled model is adopted by the store once", async () => {
    const record = { name: "small", version: 1, task: "t", createdAt: new Date().toISOString(), metrics: {} };
    const manifest = { ...record, lineage: {}, files: {}, contentHash: "0".repeat(64) };
    await writeFile(join(bundled, "manifest.json"), JSON.stringify(manifest));
    const model = await catalog.find("small");
    for (let time = 0; time < 2; time++) {
      expect(await catalog.adopt(model)).toMatchObject({ ref: "small@1", source: "store" });
    }
    expect((await store.list()).map(({ ref }) => ref)).toEqual(["m@1", "m@2", "small@1"]);
  });
});

describe("variants", () => {
  test("lie inside their version, which stays as it was", async () => {
    const { folder: version } = await store.get("m@2");
    const added = await addVariant(version, "int8", withText("x"), info);
    expect(added.folder).toBe(join(version, "variants", "int8"));
    expect(added.record).toMatchObject(info);
    expect(Object.keys(added.record.files)).toEqual(["model.onnx"]);
    expect(await store.verify("m@2")).toEqual([]);
    expect(await listVariants(version)).toEqual([added]);
  });

  test("are found by name, by version and variant, and among bundled models", async () => {
    for (const version of ["m@1", "m@2"])
      await addVariant((await store.get(version)).folder, "int8", withText("x"), info);
    await addVariant(bundled, "int8", withText("x"), info);
    const newest = await catalog.find("m@int8");
    expect(newest).toMatchObject({ ref: "m@2:int8", name: "m", variant: { name: "int8" } });
    expect(newest.folder).toBe(join((await store.get("m@2")).folder, "variants", "int8"));
    expect((await catalog.find("m@1:int8")).folder).toContain(join("m", "1", "variants"));
    expect((await catalog.find("small@int8")).ref).toBe("small@int8");
    expect((await catalog.locate(newest.folder)).variant?.name).toBe("int8");
    expect((await catalog.locate(`${bundled}@int8`)).folder).toBe(join(bundled, "variants", "int8"));
  });

  test("have the model's config with their own fields laid over it", async () => {
    const { folder: version } = await store.get("m");
    const { folder: variant } = await addVariant(version, "exit", withText("x"), info);
    expect(await readConfig(variant)).toEqual({ layers: 3, size: 8 });
    expect(await readConfig(version)).toEqual({ layers: 2, size: 8 });
  });

  test("that are not there are answered with those there are", async () => {
    const { folder: version } = await store.get("m");
    await expect(catalog.find("m@int8")).rejects.toThrow(/no variant "int8"; it has none/);
    await addVariant(version, "int8", withText("x"), info);
    await expect(catalog.find("m@int4")).rejects.toThrow(/did you mean "int8"/);
    await expect(catalog.find("m@3:int8")).rejects.toThrow(/it has m@1, m@2/);
  });

  test("replace one of the same name, and leave nothing behind when they fail", async () => {
    const { folder: version } = await store.get("m");
    await addVariant(version, "int8", withText("old"), info);
    await addVariant(version, "int8", withText("new"), info);
    const failing = () => Promise.reject(new Error("calibration was stopped"));
    await expect(addVariant(version, "int8", failing, info)).rejects.toThrow("calibration was stopped");
    await expect(
      addVariant(version, "nan", withText("x"), { ...info, tolerance: Number.NaN }),
    ).rejects.toThrow(/tolerance/);
    const { folder: kept } = await openVariant(version, "int8");
    expect(await readFile(join(kept, "model.onnx"), "utf8")).toBe("new");
    expect(await readdir(join(version, "variants"))).toEqual(["int8"]);
  });

  test("go with their version, alone by their own reference, and are not copied into another version", async () => {
    const { folder: version } = await store.get("m@1");
    await addVariant(version, "int8", withText("x"), info);
    const copy = await store.add("copy", version, { task: "t" });
    expect(await listVariants(copy.folder)).toEqual([]);
    await store.remove("m@1:int8");
    expect(await listVariants(version)).toEqual([]);
    await expect(store.remove("m@1:int8")).rejects.toMatchObject({ code: "not_found" });
  });
});
