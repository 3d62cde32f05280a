/**
 * The model store: every version of every model, each in a folder that never changes once it is there.
 *
 *     <root>/models/<name>/<version>/   config.json, model.safetensors, …, manifest.json
 *     <root>/staging/<random>/          versions being written
 *
 * A version is staged, hashed and fsynced, then renamed to the next free number. The rename decides between
 * writers of several processes; the loser takes the number after.
 */

import { randomUUID } from "node:crypto";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { removeStale, syncFile, syncFolder, writeFileAtomic } from "../weights/atomic.ts";
import { variantsFolder } from "../weights/variant-folder.ts";
import { type FillFolder, fillFolder, readFolder, renameUnlessTaken } from "./folders.ts";
import {
  contentHashOf,
  encodeManifest,
  hashFile,
  hashFiles,
  type Lineage,
  listFiles,
  type Manifest,
  manifestFile,
  readManifest,
} from "./manifest.ts";
import { nearest } from "./nearest.ts";
import { assertStoreName, parseRef } from "./ref.ts";
import { removeVariant } from "./variants.ts";

/** What the maker of a version says about it. */
export interface VersionInfo {
  task: string;
  labels?: readonly string[];
  /** By name, such as `accuracy`. Default none. */
  metrics?: Readonly<Record<string, number>>;
  lineage?: Lineage;
}

/** A version in the store. */
export interface StoredVersion {
  /** `name@version`. */
  readonly ref: string;
  readonly folder: string;
  readonly manifest: Manifest;
}

/** A file that is not as its manifest says. */
export interface FileDamage {
  readonly path: string;
  readonly problem: "missing" | "changed" | "not in the manifest";
}

/** The folder of all models: TESSERAE_HOME, by default `~/.tesserae`. */
export const defaultStoreRoot = (): string => process.env.TESSERAE_HOME || join(homedir(), ".tesserae");

export class ModelStore {
  private readonly models: string;
  private readonly staging: string;

  constructor(readonly root: string = defaultStoreRoot()) {
    this.models = join(root, "models");
    this.staging = join(root, "staging");
  }

  /**
   * Adds a version from a folder (copied, links followed) or from what `source` writes. When the name already has
   * a version of the same content, that version is returned and nothing is added.
   * @throws ConfigError for a bad name or a source without files; errors of `source` pass through.
   */
  async add(name: string, source: string | FillFolder, info: VersionInfo): Promise<StoredVersion> {
    assertStoreName(name);
    const staged = await this.createStaging();
    try {
      await fillFolder(staged, source);
      for (const own of [manifestFile, variantsFolder])
        await rm(join(staged, own), { recursive: true, force: true }); // a copied version brings its own
      const files = await hashFiles(staged);
      if (Object.keys(files).length === 0) throw new ConfigError(`store: "${name}" has no files to add`);
      for (const path of Object.keys(files)) await syncFile(join(staged, path));
      return await this.publish(staged, {
        name,
        task: info.task,
        ...(info.labels && { labels: [...info.labels] }),
        createdAt: new Date().toISOString(),
        metrics: { ...info.metrics },
        lineage: info.lineage ?? {},
        files,
        contentHash: contentHashOf(files),
      });
    } finally {
      await rm(staged, { recursive: true, force: true });
    }
  }

  /** All versions, by name and then from the oldest to the newest. @throws ConfigError for a damaged manifest. */
  async list(): Promise<StoredVersion[]> {
    const versions: StoredVersion[] = [];
    for (const name of await this.names()) {
      for (const number of await this.numbersOf(name)) versions.push(await this.open(name, number));
    }
    return versions;
  }

  /** The version of a reference: `name` (the newest) or `name@3`; a variant's is that it belongs to. @throws ConfigError, code not_found. */
  async get(ref: string): Promise<StoredVersion> {
    const { name, version } = parseRef(ref);
    const numbers = await this.numbersOf(name);
    const chosen = version ?? numbers.at(-1);
    if (chosen !== undefined && numbers.includes(chosen)) return this.open(name, chosen);
    throw await this.notFound(name, numbers);
  }

  /**
   * Removes one version, whose number is not given again, or one variant of a version (`name@3:int8`).
   * @throws ConfigError when no version is named or it is not there.
   */
  async remove(ref: string): Promise<void> {
    const { name, version, variant } = parseRef(ref);
    if (version === undefined) throw new ConfigError(`store: say which version to remove, such as ${name}@1`);
    if (variant !== undefined) return removeVariant((await this.get(`${name}@${version}`)).folder, variant);
    const numbers = await this.numbersOf(name);
    if (!numbers.includes(version)) throw await this.notFound(name, numbers);
    const folder = this.folderOf(name, version);
    const trash = await this.createStaging();
    await rename(folder, join(trash, "removed"));
    await mkdir(folder, { recursive: true }); // an empty folder keeps the number taken
    await syncFolder(join(this.models, name));
    await rm(trash, { recursive: true, force: true });
  }

  /** Hashes a version's files again and names those that differ from its manifest. */
  async verify(ref: string): Promise<FileDamage[]> {
    const { folder, manifest } = await this.get(ref);
    const present = new Set(await listFiles(folder));
    const damages: FileDamage[] = [];
    for (const [path, { sha256 }] of Object.entries(manifest.files)) {
      if (!present.delete(path)) damages.push({ path, problem: "missing" });
      else if ((await hashFile(join(folder, path))).sha256 !== sha256)
        damages.push({ path, problem: "changed" });
    }
    for (const path of present) damages.push({ path, problem: "not in the manifest" });
    return damages;
  }

  private folderOf(name: string, version: number): string {
    return join(this.models, name, String(version));
  }

  private async createStaging(): Promise<string> {
    await mkdir(this.staging, { recursive: true });
    await removeStale(this.staging, /^/);
    const folder = join(this.staging, randomUUID());
    await mkdir(folder);
    return folder;
  }

  /** Renames the staged folder to the next free number, unless its content is already there. */
  private async publish(staged: string, manifest: Omit<Manifest, "version">): Promise<StoredVersion> {
    const { name, contentHash } = manifest;
    await mkdir(join(this.models, name), { recursive: true });
    for (;;) {
      const same = await this.findContent(name, contentHash);
      if (same) return same;
      const version = Math.max(0, ...(await this.takenNumbers(name))) + 1;
      await writeFileAtomic(join(staged, manifestFile), encodeManifest({ ...manifest, version }));
      if (await renameUnlessTaken(staged, this.folderOf(name, version))) {
        await syncFolder(join(this.models, name));
        await syncFolder(this.models);
        return this.open(name, version);
      }
    }
  }

  private async open(name: string, version: number): Promise<StoredVersion> {
    const folder = this.folderOf(name, version);
    return { ref: `${name}@${version}`, folder, manifest: await readManifest(folder) };
  }

  /** A version of that content; one with a damaged manifest is passed over, so that it cannot block new ones. */
  private async findContent(name: string, contentHash: string): Promise<StoredVersion | undefined> {
    for (const number of await this.numbersOf(name)) {
      const version = await this.open(name, number).catch(() => undefined);
      if (version?.manifest.contentHash === contentHash) return version;
    }
    return undefined;
  }

  /** Names that have a version, sorted. */
  private async names(): Promise<string[]> {
    const names: string[] = [];
    for (const name of (await readFolder(this.models)).sort()) {
      if ((await this.numbersOf(name)).length > 0) names.push(name);
    }
    return names;
  }

  /** The numbers of the versions that are there, ascending. */
  private async numbersOf(name: string): Promise<number[]> {
    const numbers: number[] = [];
    for (const number of await this.takenNumbers(name)) {
      if ((await readFolder(this.folderOf(name, number))).length > 0) numbers.push(number);
    }
    return numbers;
  }

  /** The numbers that are or once were given, ascending. */
  private async takenNumbers(name: string): Promise<number[]> {
    const entries = await readFolder(join(this.models, name));
    return entries
      .filter((entry) => /^[1-9]\d*$/.test(entry))
      .map(Number)
      .sort((a, b) => a - b);
  }

  private async notFound(name: string, numbers: readonly number[]): Promise<ConfigError> {
    const message = numbers.length
      ? `store: "${name}" has no such version; it has ${numbers.join(", ")}`
      : `store: there is no model "${name}"${await this.suggestion(name)}`;
    return new ConfigError(message, { code: "not_found" });
  }

  private async suggestion(name: string): Promise<string> {
    const names = await this.names();
    const guess = nearest(name, names);
    if (guess !== undefined) return `; did you mean "${guess}"?`;
    return names.length > 0 ? "; `tesserae list` shows those there are" : "; the store is empty";
  }
}
