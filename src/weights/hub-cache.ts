/**
 * The folder in which Python's huggingface_hub keeps downloads, shared with it:
 * `models--org--name/{blobs/HASH, refs/REVISION, snapshots/COMMIT/file → ../../blobs/HASH}`.
 */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rename, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { getHFHubCachePath, type ListFileEntry } from "@huggingface/hub";
import { WeightError } from "../errors.ts";
import {
  fillFileAtomic,
  removeStale,
  temporaryName,
  temporaryPattern,
  writeFileAtomic,
  writeFully,
} from "./atomic.ts";
import { readShardIndex, weightsFile, weightsIndexFile } from "./checkpoint.ts";

const commitPattern = /^[0-9a-f]{40}$/;

/** One model's part of the cache. */
export class HubCache {
  private readonly folder: string;

  /** `id` is `org/name` or `name`. The root follows HF_HUB_CACHE, HF_HOME and XDG_CACHE_HOME. */
  constructor(private readonly id: string) {
    this.folder = join(getHFHubCachePath(), `models--${id.replaceAll("/", "--")}`);
  }

  snapshotFolder(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  /** The commit last seen under a branch or tag; a commit is itself. Undefined where never seen. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (commitPattern.test(revision)) return revision;
    const commit = await readFile(join(this.folder, "refs", revision), "utf8").catch(() => undefined);
    return commit !== undefined && commitPattern.test(commit) ? commit : undefined;
  }

  async rememberCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const path = join(this.folder, "refs", revision);
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, commit);
  }

  /** True when config.json and all weights are there. Weights are downloaded last, so the rest then is too. */
  async isComplete(commit: string): Promise<boolean> {
    const folder = this.snapshotFolder(commit);
    if (!existsSync(join(folder, "config.json"))) return false;
    if (existsSync(join(folder, weightsFile))) return true;
    if (!existsSync(join(folder, weightsIndexFile))) return false;
    const shards = new Set((await readShardIndex(join(folder, weightsIndexFile))).values());
    return [...shards].every((shard) => existsSync(join(folder, shard)));
  }

  /**
   * Puts a file into a snapshot. `open` is called only when its content is not there yet under another commit.
   * @throws WeightError when the content has not the size or the hash that the hub listed; nothing is kept then.
   */
  async addFile(
    commit: string,
    file: ListFileEntry,
    open: () => Promise<ReadableStream<Uint8Array>>,
  ): Promise<void> {
    const link = join(this.snapshotFolder(commit), file.path);
    if (existsSync(link)) return;
    const blob = join(this.folder, "blobs", file.lfs?.oid ?? file.oid!);
    await mkdir(dirname(link), { recursive: true });
    await mkdir(dirname(blob), { recursive: true });
    if (!existsSync(blob)) {
      await removeStale(dirname(blob), temporaryPattern);
      await this.saveBlob(blob, file, await open());
    }
    await linkOrCopy(blob, link);
  }

  private async saveBlob(
    path: string,
    file: ListFileEntry,
    content: ReadableStream<Uint8Array>,
  ): Promise<void> {
    // Large files are listed with their SHA-256, others with git's hash of a blob.
    const hash = createHash(file.lfs ? "sha256" : "sha1");
    if (!file.lfs) hash.update(`blob ${file.size}\0`);
    await fillFileAtomic(path, async (handle) => {
      let sizeBytes = 0;
      for await (const chunk of content) {
        await writeFully(handle, chunk);
        hash.update(chunk);
        sizeBytes += chunk.length;
      }
      if (sizeBytes !== file.size || hash.digest("hex") !== (file.lfs?.oid ?? file.oid)) {
        throw new WeightError(
          `${this.id}: ${file.path} arrived damaged (${sizeBytes} bytes, ${file.size} were announced); try again`,
        );
      }
    });
  }
}

/** A relative link, so that the cache may be moved; a copy on file systems without links. */
async function linkOrCopy(target: string, link: string): Promise<void> {
  const temporary = temporaryName(link);
  await symlink(relative(dirname(link), target), temporary).catch(() => copyFile(target, temporary));
  await rename(temporary, link); // also over a link whose blob was deleted
}
