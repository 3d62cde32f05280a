import { createHash } from "node:crypto";
import { lstat, mkdir, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeHub } from "../../test/support/fake-hub.ts";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { ConfigError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { openCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { type DownloadProgress, resolveModel } from "./hub.ts";

const root = useTemporaryFolder();
const commit = "0123456789abcdef0123456789abcdef01234567";
const otherCommit = "89abcdef0123456789abcdef0123456789abcdef";
const weights = { w: Tensor.zeros("float32", [2000]), v: Tensor.from("float32", [1], [3]) };

let hub: FakeHub;
let endpoint: string;
let cacheNumber = 0;
let cacheFolder: string;
let single: Record<string, Buffer>;
let sharded: Record<string, Buffer>;

/** The files of a folder by name. */
async function filesOf(folder: string): Promise<Record<string, Buffer>> {
  const names = await readdir(folder);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))])),
  );
}

async function writeModel(name: string, maxShardBytes?: number): Promise<Record<string, Buffer>> {
  const folder = join(root, name);
  await mkdir(folder);
  await writeCheckpoint(folder, weights, { maxShardBytes });
  for (const file of ["config.json", "tokenizer.json", "spiece.model"])
    await writeFile(join(folder, file), `{"${file}":1}`);
  for (const file of ["README.md", "pytorch_model.bin"]) await writeFile(join(folder, file), "unused");
  return filesOf(folder);
}

beforeAll(async () => {
  single = await writeModel("single");
  sharded = await writeModel("sharded", 100);
});

beforeEach(async () => {
  hub = new FakeHub();
  endpoint = await hub.start();
  hub.models.set("org/bert@main", { commit, files: single });
  hub.models.set(`org/bert@${commit}`, { commit, files: single });
  cacheFolder = join(root, `cache-${cacheNumber++}`);
  vi.stubEnv("HF_ENDPOINT", `${endpoint}/`);
  vi.stubEnv("HF_HUB_CACHE", cacheFolder);
  vi.stubEnv("HF_TOKEN", "");
  vi.stubEnv("HF_HUB_OFFLINE", "");
});

afterEach(() => hub.stop());
afterAll(() => vi.unstubAllEnvs());

const modelFolder = (): string => join(cacheFolder, "models--org--bert");

describe("resolveModel", () => {
  test("takes a local folder as it is, without the network", async () => {
    expect(await resolveModel(join(root, "single"))).toEqual({
      folder: join(root, "single"),
      source: "folder",
    });
    expect(hub.requests).toEqual([]);
  });

  test("downloads what is used, and nothing else, into the layout of Python's cache", async () => {
    const progress: DownloadProgress[] = [];
    const model = await resolveModel("org/bert", { onProgress: (step) => progress.push(step) });
    const folder = join(modelFolder(), "snapshots", commit);
    expect(model).toEqual({ folder, source: "hub", commit });
    expect((await readdir(folder)).sort()).toEqual([
      "config.json",
      "model.safetensors",
      "spiece.model",
      "tokenizer.json",
    ]);
    expect(await readFile(join(modelFolder(), "refs", "main"), "utf8")).toBe(commit);
    const sha256 = createHash("sha256").update(single["model.safetensors"]!).digest("hex");
    expect(await readlink(join(folder, "model.safetensors"))).toBe(join("..", "..", "blobs", sha256));
    expect(await readdir(join(modelFolder(), "blobs"))).toHaveLength(4);
    const checkpoint = await openCheckpoint(folder);
    expect(await checkpoint.read("v")).toEqual(weights.v);
    await checkpoint.close();
    const size = single["model.safetensors"]!.length;
    expect(progress.at(-1)).toEqual({ file: "model.safetensors", receivedBytes: size, sizeBytes: size });
  });

  test("downloads the shards that an index names", async () => {
    hub.models.set("org/bert@main", { commit, files: sharded });
    hub.models.set(`org/bert@${commit}`, { commit, files: sharded });
    const checkpoint = await openCheckpoint((await resolveModel("org/bert")).folder);
    expect(await checkpoint.read("w")).toEqual(weights.w);
    await checkpoint.close();
    expect((await resolveModel("org/bert", { offline: true })).source).toBe("cache");
    await rm(join(modelFolder(), "snapshots", commit, "model-00001-of-00002.safetensors"));
    await expect(resolveModel("org/bert", { offline: true })).rejects.toThrow(/not completely in the cache/);
  });

  test("a second call downloads no file again, and follows a branch that moved", async () => {
    await resolveModel("org/bert");
    const moved = { commit: otherCommit, files: { ...single, "config.json": Buffer.from("{}") } };
    hub.models.set("org/bert@main", moved);
    hub.models.set(`org/bert@${otherCommit}`, moved);
    hub.requests.length = 0;
    const { folder } = await resolveModel("org/bert");
    expect(await readFile(join(folder, "config.json"), "utf8")).toBe("{}");
    const downloads = new Set(hub.requests.filter((request) => request.includes("/resolve/")));
    expect([...downloads]).toEqual([`GET /org/bert/resolve/${otherCommit}/config.json`]);
  });

  test("a commit that is in the cache needs no network", async () => {
    await resolveModel("org/bert", { revision: commit });
    hub.requests.length = 0;
    expect(await resolveModel("org/bert", { revision: commit })).toMatchObject({ source: "cache", commit });
    expect(hub.requests).toEqual([]);
  });

  test("a branch in the cache is used when the hub is down or fails", async () => {
    await resolveModel("org/bert");
    hub.failing = 503;
    expect(await resolveModel("org/bert")).toMatchObject({ source: "cache", commit });
    await hub.stop();
    expect(await resolveModel("org/bert")).toMatchObject({ source: "cache", commit });
  });

  test("offline, the cache answers or a ConfigError says that it cannot", async () => {
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await expect(resolveModel("org/bert")).rejects.toThrow(
      /not completely in the cache and downloads are off/,
    );
    vi.stubEnv("HF_HUB_OFFLINE", "");
    await resolveModel("org/bert");
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    hub.requests.length = 0;
    expect(await resolveModel("org/bert")).toMatchObject({ source: "cache", commit });
    expect(hub.requests).toEqual([]);
  });

  test("a tag is remembered under its name", async () => {
    const tagged = { commit: otherCommit, files: single };
    hub.models.set("org/bert@refs/pr/1", tagged);
    hub.models.set(`org/bert@${otherCommit}`, tagged);
    expect(await resolveModel("org/bert", { revision: "refs/pr/1" })).toMatchObject({ commit: otherCommit });
    expect(await readFile(join(modelFolder(), "refs", "refs", "pr", "1"), "utf8")).toBe(otherCommit);
  });

  test("a download that breaks off leaves nothing under a final name, and a second try heals it", async () => {
    hub.broken.add("model.safetensors");
    await expect(resolveModel("org/bert")).rejects.toThrow(ConfigError);
    const folder = join(modelFolder(), "snapshots", commit);
    expect(await readdir(folder)).not.toContain("model.safetensors");
    expect((await readdir(join(modelFolder(), "blobs"))).every((name) => /^[0-9a-f]{40}$/.test(name))).toBe(
      true,
    );
    await expect(lstat(join(modelFolder(), "refs"))).rejects.toThrow(/ENOENT/);
    await expect(resolveModel("org/bert", { offline: true })).rejects.toThrow(/not completely/);
    hub.broken.clear();
    expect((await resolveModel("org/bert")).source).toBe("hub");
  });

  test("content that does not fit its announced hash is refused", async () => {
    hub.replaced.set("config.json", Buffer.from('{"config.json":2}'));
    await expect(resolveModel("org/bert")).rejects.toThrow(
      /config.json arrived damaged .17 bytes, 17 were announced/,
    );
    await expect(lstat(join(modelFolder(), "snapshots", commit, "config.json"))).rejects.toThrow(/ENOENT/);
  });

  test("two downloads at once both succeed", async () => {
    const models = await Promise.all([resolveModel("org/bert"), resolveModel("org/bert")]);
    for (const { folder } of models) {
      expect(await readFile(join(folder, "model.safetensors"))).toEqual(single["model.safetensors"]);
    }
  });
});

describe("resolveModel refuses", () => {
  test("a model and a revision that the hub does not have, although another revision is in the cache", async () => {
    await resolveModel("org/bert");
    for (const [name, revision] of [
      ["org/none", "main"],
      ["org/bert", "v9"],
    ] as const) {
      const promise = resolveModel(name, { revision });
      await expect(promise).rejects.toMatchObject({ code: "not_found" });
      await expect(promise).rejects.toThrow(
        `${name} (${revision}) at ${endpoint}: no such model or revision`,
      );
    }
  });

  test("a private model without the token, and takes it with the token", async () => {
    hub.models.set("org/bert@main", { commit, files: single, token: "hf_secret" });
    hub.models.set(`org/bert@${commit}`, { commit, files: single, token: "hf_secret" });
    await expect(resolveModel("org/bert")).rejects.toThrow(/access was refused \(401\); .* needs HF_TOKEN/);
    vi.stubEnv("HF_TOKEN", "hf_wrong");
    await expect(resolveModel("org/bert")).rejects.toThrow(/HF_TOKEN gives no access/);
    vi.stubEnv("HF_TOKEN", "secret");
    await expect(resolveModel("org/bert")).rejects.toThrow(/must start with "hf_"/);
    vi.stubEnv("HF_TOKEN", "hf_secret");
    expect((await resolveModel("org/bert")).source).toBe("hub");
  });

  test("a repository with nothing but pytorch_model.bin", async () => {
    const { "model.safetensors": _, ...files } = single;
    hub.models.set(`org/bert@${commit}`, { commit, files });
    await expect(resolveModel("org/bert")).rejects.toMatchObject({ code: "unsupported" });
    await expect(resolveModel("org/bert")).rejects.toThrow(/only pytorch_model.bin, which is not read/);
    hub.models.set(`org/bert@${commit}`, { commit, files: { "README.md": Buffer.from("x") } });
    await expect(resolveModel("org/bert")).rejects.toThrow(/no weights at its top level/);
  });

  test("an index that names a shard the repository lacks", async () => {
    const { "model-00002-of-00002.safetensors": _, ...files } = sharded;
    hub.models.set(`org/bert@${commit}`, { commit, files });
    await expect(resolveModel("org/bert")).rejects.toThrow(/names model-00002-of-00002.safetensors/);
  });

  test("what is neither a folder nor a model name, and odd revisions", async () => {
    for (const name of ["./none", "a/b/c", "..x", "/none", "x".repeat(97)]) {
      await expect(resolveModel(name), name).rejects.toThrow(/there is no such folder/);
    }
    for (const revision of ["../x", "a//b", ""]) {
      await expect(resolveModel("org/bert", { revision }), revision).rejects.toThrow(/expected a branch/);
    }
  });

  test("to hang when there is no hub, naming the address and the reason", async () => {
    await hub.stop();
    await expect(resolveModel("org/bert")).rejects.toThrow(
      /127.0.0.1:.* the download failed: .*ECONNREFUSED/,
    );
  });

  test("a hub that fails, when nothing is in the cache", async () => {
    hub.failing = 500;
    await expect(resolveModel("org/bert")).rejects.toThrow(/the hub answered 500; try again later/);
  });
});
