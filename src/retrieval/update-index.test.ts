import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { pngOf, writeTinyClip } from "../../test/support/tiny-images.ts";
import { readEntries } from "./index-entries.ts";
import { readIndex } from "./index-file.ts";
import { openPairEncoder, type PairEncoder } from "./pair-encoder.ts";
import { updateIndex } from "./update-index.ts";

const folder = useTemporaryFolder();
const about = { model: "means", modelHash: "1", data: "photos" };

let encoder: PairEncoder;
beforeAll(async () => {
  encoder = await openPairEncoder(await writeTinyClip(join(folder, "clip")), { provider: "cpu", threads: 1 });
});
afterAll(() => encoder.release());

async function photos(name: string, count: number): Promise<string> {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  for (let at = 0; at < count; at++) writeFileSync(join(path, `${at}.png`), await pngOf(8, at));
  return path;
}

describe("updateIndex", () => {
  test("computes new and changed pictures only, and drops those that are gone", async () => {
    const path = await photos("photos", 4);
    writeFileSync(join(path, "broken.png"), "no picture");
    const out = join(folder, "index");
    const run = async () => updateIndex(out, about, (await readEntries(path)).entries, encoder);
    expect(await run()).toMatchObject({
      items: 4,
      computed: 4,
      removed: 0,
      badRows: [{ kind: "wrong type image" }],
    });
    const before = await readIndex(out);
    expect(await run()).toMatchObject({ computed: 0 });
    expect((await readIndex(out)).id).toBe(before.id);
    rmSync(join(path, "0.png"));
    writeFileSync(join(path, "1.png"), await pngOf(8, 77));
    writeFileSync(join(path, "new.png"), await pngOf(8, 78));
    expect(await run()).toMatchObject({ items: 4, computed: 2, removed: 2 });
    const after = await readIndex(out);
    expect(after.items.map(({ source }) => source)).toEqual(
      ["1", "2", "3", "new"].map((n) => join(path, `${n}.png`)),
    );
    expect(after.vectors.slice(8, 16)).toEqual(before.vectors.slice(16, 24));
    expect(
      await updateIndex(out, { ...about, modelHash: "2" }, (await readEntries(path)).entries, encoder),
    ).toMatchObject({
      computed: 4,
    });
  });

  test("keeps what is done when it is stopped, and goes on from there", async () => {
    const path = await photos("many", 40);
    const out = join(folder, "stopped");
    const { entries } = await readEntries(path);
    const stop = new AbortController();
    const onItem = (done: number): void => {
      if (done === 5) stop.abort();
    };
    const first = await updateIndex(out, about, entries, encoder, { onItem, signal: stop.signal });
    expect(first.computed).toBe(32); // the batch under way is kept
    expect(await updateIndex(out, about, entries, encoder)).toMatchObject({ items: 40, computed: 8 });
  });

  test("refuses a folder with other files", async () => {
    const path = await photos("own", 1);
    const { entries } = await readEntries(path);
    await expect(updateIndex(path, about, entries, encoder)).rejects.toThrow(/folder of its own/);
  });
});

describe("writeIndex", () => {
  const script = fileURLToPath(new URL("../../test/support/index-child.ts", import.meta.url));
  const start = (out: string): ChildProcess =>
    spawn(process.execPath, ["--import", "tsx", script, out], { stdio: ["ignore", "pipe", "inherit"] });

  test("leaves a whole index when it is killed at any moment", { timeout: 120_000 }, async () => {
    const out = join(folder, "killed");
    for (const waitMs of [3, 11]) {
      const child = start(out);
      await once(child.stdout!, "data");
      await sleep(waitMs);
      child.kill("SIGKILL");
      await once(child, "exit");
      const { items, vectors, width } = await readIndex(out);
      const count = Number(items[0]!.hash);
      expect(items).toHaveLength(500 + (count % 500));
      expect(new Set(items.map(({ hash }) => hash)).size).toBe(1);
      expect(vectors).toEqual(new Float32Array(items.length * width).fill(count % 1000));
      expect(readdirSync(out)).toContain("index.safetensors");
    }
  });
});
