/** Models by name: from a local folder, from the Hugging Face hub or a mirror of it, or from the shared cache. */

import { statSync } from "node:fs";
import { resolve } from "node:path";
import { downloadFile, HubApiError, type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub";
import { ConfigError, TesseraeError } from "../errors.ts";
import { readShardIndex, weightsFile, weightsIndexFile } from "./checkpoint.ts";
import { HubCache } from "./hub-cache.ts";

/** One file's download so far. */
export interface DownloadProgress {
  readonly file: string;
  readonly receivedBytes: number;
  readonly sizeBytes: number;
}

export interface ResolveModelOptions {
  /** Branch, tag or commit on the hub. Default "main". */
  revision?: string;
  /** Use only what is in the cache. Default: whether HF_HUB_OFFLINE is 1, true, yes or on. */
  offline?: boolean;
  onProgress?: (progress: DownloadProgress) => void;
}

export interface ResolvedModel {
  readonly folder: string;
  /** Where it came from; "cache" when offline or when the hub could not be reached. */
  readonly source: "folder" | "hub" | "cache";
  /** The commit on the hub; a folder has none. */
  readonly commit?: string;
}

/** Files beside the weights that some part of Tesserae reads. */
const usedFiles = new Set([
  "config.json",
  "generation_config.json",
  "preprocessor_config.json",
  "processor_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.txt",
  "vocab.json",
  "merges.txt",
]);

/** SentencePiece models: `spiece.model`, `source.spm`. */
const sentencePiecePattern = /^[^/]+\.(model|spm)$/;

/**
 * The local folder of a model. A name that is a folder is that folder; any other is `org/name` on the hub, of which
 * config, tokenizer and safetensors are downloaded into the cache that Python uses. HF_ENDPOINT, HF_TOKEN, HF_HOME,
 * HF_HUB_CACHE and HF_HUB_OFFLINE are respected. When the hub cannot be reached, a cached copy is used.
 * @throws ConfigError when there is no such model or revision, access is refused, or the hub and the cache both fail.
 */
export async function resolveModel(
  nameOrFolder: string,
  { revision = "main", offline = isOfflineSet(), onProgress = () => {} }: ResolveModelOptions = {},
): Promise<ResolvedModel> {
  if (statSync(nameOrFolder, { throwIfNoEntry: false })?.isDirectory()) {
    return { folder: resolve(nameOrFolder), source: "folder" };
  }
  assertModelId(nameOrFolder);
  assertRevision(revision);
  const cache = new HubCache(nameOrFolder);
  const cached = await cachedModel(cache, revision);
  if (cached && (offline || cached.commit === revision)) return cached;
  if (offline) {
    throw new ConfigError(
      `${nameOrFolder} (${revision}) is not completely in the cache and downloads are off; ` +
        "unset HF_HUB_OFFLINE or give a local folder",
      { code: "not_found" },
    );
  }
  try {
    return await new Download(nameOrFolder, revision, cache, onProgress).run();
  } catch (error) {
    if (cached && isUnreachable(error)) return cached;
    throw toConfigError(error, nameOrFolder, revision);
  }
}

async function cachedModel(cache: HubCache, revision: string): Promise<ResolvedModel | undefined> {
  const commit = await cache.commitOf(revision);
  if (commit === undefined || !(await cache.isComplete(commit))) return undefined;
  return { folder: cache.snapshotFolder(commit), source: "cache", commit };
}

/** One model's way from the hub into the cache. */
class Download {
  private readonly hub: { hubUrl: string; accessToken?: string };

  constructor(
    private readonly id: string,
    private readonly revision: string,
    private readonly cache: HubCache,
    private readonly onProgress: (progress: DownloadProgress) => void,
  ) {
    const token = process.env.HF_TOKEN;
    if (token && !token.startsWith("hf_")) throw new ConfigError('HF_TOKEN must start with "hf_"');
    this.hub = { hubUrl: endpoint(), ...(token ? { accessToken: token } : {}) };
  }

  async run(): Promise<ResolvedModel> {
    const info = await modelInfo({
      ...this.hub,
      name: this.id,
      revision: this.revision,
      additionalFields: ["sha"],
    });
    const commit = info.sha;
    const files = await this.list(commit);
    const folder = this.cache.snapshotFolder(commit);
    const weights = this.weightsEntry(files);
    for (const file of files.values()) if (isUsed(file.path)) await this.add(commit, file);
    await this.add(commit, weights);
    if (weights.path === weightsIndexFile) await this.addShards(commit, folder, files);
    // Last, so that a reference never leads to a half snapshot.
    await this.cache.rememberCommit(this.revision, commit);
    return { folder, source: "hub", commit };
  }

  /** The files at the top of the repository, by path. */
  private async list(commit: string): Promise<Map<string, ListFileEntry>> {
    const files = new Map<string, ListFileEntry>();
    for await (const entry of listFiles({ ...this.hub, repo: this.repo, revision: commit })) {
      if (entry.type === "file") files.set(entry.path, entry);
    }
    return files;
  }

  private get repo() {
    return { type: "model", name: this.id } as const;
  }

  private weightsEntry(files: ReadonlyMap<string, ListFileEntry>): ListFileEntry {
    const entry = files.get(weightsFile) ?? files.get(weightsIndexFile);
    if (entry) return entry;
    const hasPickle = [...files.keys()].some((path) => /^pytorch_model.*\.bin$/.test(path));
    const found = hasPickle
      ? "only pytorch_model.bin, which is not read; save it as safetensors in Python (save_pretrained), or look for " +
        "a revision that has them (often refs/pr/…)"
      : "no weights at its top level";
    throw new ConfigError(
      `${this.id} (${this.revision}): expected ${weightsFile}; the repository has ${found}`,
      {
        code: "unsupported",
      },
    );
  }

  private async addShards(
    commit: string,
    folder: string,
    files: ReadonlyMap<string, ListFileEntry>,
  ): Promise<void> {
    for (const shard of new Set((await readShardIndex(resolve(folder, weightsIndexFile))).values())) {
      const entry = files.get(shard);
      if (!entry) {
        throw new ConfigError(
          `${this.id} (${this.revision}): the index names ${shard}, which the repository lacks`,
        );
      }
      await this.add(commit, entry);
    }
  }

  private async add(commit: string, file: ListFileEntry): Promise<void> {
    await this.cache.addFile(commit, file, async () => {
      const blob = await downloadFile({ ...this.hub, repo: this.repo, path: file.path, revision: commit });
      if (!blob) throw new ConfigError(`${this.id}: ${file.path} is listed but cannot be downloaded`);
      return blob.stream().pipeThrough(this.progressOf(file));
    });
  }

  private progressOf(file: ListFileEntry): TransformStream<Uint8Array, Uint8Array> {
    let receivedBytes = 0;
    return new TransformStream({
      transform: (chunk, controller) => {
        receivedBytes += chunk.length;
        this.onProgress({ file: file.path, receivedBytes, sizeBytes: file.size });
        controller.enqueue(chunk);
      },
    });
  }
}

const isUsed = (path: string): boolean => usedFiles.has(path) || sentencePiecePattern.test(path);

const endpoint = (): string => (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");

const isOfflineSet = (): boolean => /^(1|true|yes|on)$/i.test(process.env.HF_HUB_OFFLINE ?? "");

function assertModelId(id: string): void {
  if (!/^[a-z0-9][\w.-]*(\/[a-z0-9][\w.-]*)?$/i.test(id) || id.length > 96) {
    throw new ConfigError(`"${id}": there is no such folder, and it is not a model name such as org/name`, {
      code: "not_found",
    });
  }
}

function assertRevision(revision: string): void {
  if (!/^[\w.-]+(\/[\w.-]+)*$/.test(revision) || revision.split("/").includes("..")) {
    throw new ConfigError(`revision "${revision}": expected a branch, a tag or a commit`);
  }
}

/** True when the hub gave no answer about the model: no connection, a broken download, or a failure of its own. */
const isUnreachable = (error: unknown): boolean =>
  error instanceof HubApiError ? error.statusCode >= 500 : !(error instanceof TesseraeError);

function toConfigError(error: unknown, id: string, revision: string): TesseraeError {
  if (error instanceof TesseraeError) return error;
  const where = `${id} (${revision}) at ${endpoint()}`;
  if (!(error instanceof HubApiError)) {
    const reason = error instanceof Error ? `${error.message} ${causeOf(error)}`.trim() : String(error);
    return new ConfigError(
      `${where}: the download failed: ${reason}; check the connection and HF_ENDPOINT, then run it again`,
      { code: "runtime", cause: error },
    );
  }
  const { statusCode } = error;
  if (statusCode === 404) {
    return new ConfigError(`${where}: no such model or revision`, { code: "not_found", cause: error });
  }
  if (statusCode === 401 || statusCode === 403) {
    const advice = process.env.HF_TOKEN
      ? "HF_TOKEN gives no access to it; if it is gated, accept its terms on its page first"
      : "it does not exist, or it is private or gated and needs HF_TOKEN";
    return new ConfigError(`${where}: access was refused (${statusCode}); ${advice}`, { cause: error });
  }
  return new ConfigError(`${where}: the hub answered ${statusCode}; try again later`, {
    code: "runtime",
    cause: error,
  });
}

const causeOf = (error: Error): string => (error.cause instanceof Error ? `(${error.cause.message})` : "");
