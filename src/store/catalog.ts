/** Models by name: folders, versions in the store, and those bundled with the package. */

import { existsSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../errors.ts";
import { packageUrl } from "../runtime/package-root.ts";
import { sharedFolder } from "../weights/variant-folder.ts";
import { type Manifest, manifestFile, readManifest } from "./manifest.ts";
import { nearest } from "./nearest.ts";
import { parseRef } from "./ref.ts";
import { ModelStore } from "./store.ts";
import { openVariant, type StoredVariant, variantAt } from "./variants.ts";

/** A model that can be opened. */
export interface CatalogModel {
  /** How to ask for exactly this model: `name@version`, or a bundled model's or folder's name, with `:variant`. */
  readonly ref: string;
  readonly name: string;
  readonly source: "store" | "bundled" | "folder";
  /** What to open: a variant's own folder where one is asked for. */
  readonly folder: string;
  /** Models outside the store may have none. */
  readonly manifest?: Manifest | undefined;
  /** The variant that is asked for. */
  readonly variant?: StoredVariant | undefined;
}

/** `models/` of this package. */
const packageModels = fileURLToPath(packageUrl("models"));

export class Catalog {
  constructor(
    private readonly store: ModelStore = new ModelStore(),
    private readonly bundledFolder: string = packageModels,
  ) {}

  /** All versions in the store, and the bundled models whose name it does not have; by name. */
  async list(): Promise<CatalogModel[]> {
    const stored = (await this.store.list()).map(
      ({ ref, folder, manifest }): CatalogModel => ({
        ref,
        name: manifest.name,
        source: "store",
        folder,
        manifest,
      }),
    );
    const taken = new Set(stored.map(({ name }) => name));
    return [...stored, ...(await this.bundled()).filter(({ name }) => !taken.has(name))];
  }

  /**
   * The model of a name: `name` (the newest version in the store, else the bundled model), or `name@3`; a variant of it
   * after `@int8` or `:int8`.
   * @throws ConfigError, code not_found, that suggests the nearest name.
   */
  async find(ref: string): Promise<CatalogModel> {
    const { whole, variant } = splitVariant(ref);
    const models = await this.list();
    const found =
      models.find((model) => model.ref === whole) ?? models.findLast((model) => model.name === whole);
    if (found) return variant === undefined ? found : variantOf(found, variant);
    const versions = models.filter(({ name }) => name === ref.split("@")[0]).map((model) => model.ref);
    throw new ConfigError(`model "${ref}": ${advice(ref, versions, models)}`, { code: "not_found" });
  }

  /**
   * As `find`, or the model in a folder where the reference is a path, which may end in a variant (`./model@int8`). A
   * folder named like a model needs "./".
   */
  async locate(refOrFolder: string): Promise<CatalogModel> {
    const folder = resolve(refOrFolder);
    const isFolder = isDirectory(folder);
    const isPath = /[\\/]|^\.+$/.test(refOrFolder);
    if (isFolder && isPath) return modelIn(folder, basename(folder), "folder");
    const { path, variant } = /^(?<path>.+)@(?<variant>[^@/\\]+)$/.exec(folder)?.groups ?? {};
    if (isPath && path && isDirectory(path))
      return variantOf(await modelIn(path, basename(path), "folder"), variant!);
    try {
      return await this.find(refOrFolder);
    } catch (error) {
      if (!isFolder) throw error;
      return modelIn(folder, basename(folder), "folder");
    }
  }

  /** The model where it may change: a bundled one is copied into the store, since the package's folder is not the user's. */
  async adopt(model: CatalogModel): Promise<CatalogModel> {
    const { source, name, folder, manifest } = model;
    if (source !== "bundled" || !manifest) return model;
    const { task, labels, metrics, lineage } = manifest;
    const { ref } = await this.store.add(name, folder, { task, labels, metrics, lineage });
    return this.find(ref);
  }

  private async bundled(): Promise<CatalogModel[]> {
    if (!existsSync(this.bundledFolder)) return [];
    const names = (await readdir(this.bundledFolder)).sort();
    const folders = names.filter((name) => existsSync(join(this.bundledFolder, name, "config.json")));
    return Promise.all(folders.map((name) => modelIn(join(this.bundledFolder, name), name, "bundled")));
  }
}

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

async function modelIn(folder: string, name: string, source: CatalogModel["source"]): Promise<CatalogModel> {
  const own = sharedFolder(folder);
  const manifest = existsSync(join(own, manifestFile)) ? await readManifest(own) : undefined;
  return { ref: name, name, source, folder, manifest, variant: await variantAt(folder) };
}

/** A variant of a model. @throws ConfigError, code not_found. */
export async function variantOf(model: CatalogModel, name: string): Promise<CatalogModel> {
  const variant = await openVariant(model.folder, name);
  const ref = `${model.ref}${model.ref.includes("@") ? ":" : "@"}${name}`;
  return { ...model, ref, folder: variant.folder, variant };
}

/** The reference without its variant. What is no reference of the store may still name a folder. */
function splitVariant(ref: string): { whole: string; variant?: string } {
  if (!ref.includes("@")) return { whole: ref };
  const { name, version, variant } = parseRef(ref);
  return { whole: version === undefined ? name : `${name}@${version}`, ...(variant && { variant }) };
}

function advice(ref: string, versions: readonly string[], models: readonly CatalogModel[]): string {
  if (versions.length > 0) return `there is no such version; it has ${versions.join(", ")}`;
  const guess = nearest(
    ref,
    models.map(({ name }) => name),
  );
  if (guess !== undefined) return `is not in the store; did you mean "${guess}"?`;
  return `is not here; "tesserae list" shows the models there are, "tesserae pull" gets one from the hub`;
}
