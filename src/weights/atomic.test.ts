import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { fillFileAtomic, removeStale, temporaryPattern, writeFileAtomic } from "./atomic.ts";

const folder = useTemporaryFolder();

describe("atomic writes", () => {
  test("write text as UTF-8 and bytes as they are", async () => {
    await writeFileAtomic(join(folder, "text"), "é");
    await writeFileAtomic(join(folder, "bytes"), Uint8Array.of(0, 255));
    expect([...(await readFile(join(folder, "text")))]).toEqual([0xc3, 0xa9]);
    expect([...(await readFile(join(folder, "bytes")))]).toEqual([0, 255]);
  });

  test("keep the old file and no temporary one when filling fails", async () => {
    const path = join(folder, "kept");
    await writeFileAtomic(path, "old");
    const failing = fillFileAtomic(path, async (handle) => {
      await handle.write("half");
      throw new Error("disk is full");
    });
    await expect(failing).rejects.toThrow("disk is full");
    expect(await readFile(path, "utf8")).toBe("old");
    expect((await readdir(folder)).filter((name) => temporaryPattern.test(name))).toEqual([]);
  });

  test("show readers a whole file although a writer is killed again and again", async () => {
    const path = join(folder, "killed");
    const size = 4_000_000;
    await writeFileAtomic(path, new Uint8Array(size));
    const script = `
      import { writeFileAtomic } from ${JSON.stringify(new URL("./atomic.ts", import.meta.url).href)};
      console.log("ready");
      for (let i = 0; ; i++) await writeFileAtomic(${JSON.stringify(path)}, new Uint8Array(${size}).fill(i % 256));`;
    for (let round = 0; round < 3; round++) {
      const writer = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", script]);
      await new Promise((resolve) => writer.stdout.once("data", resolve));
      await new Promise((resolve) => setTimeout(resolve, 40 * round + 17));
      const closed = new Promise((resolve) => writer.once("close", resolve));
      writer.kill("SIGKILL");
      await closed;
      const bytes = await readFile(path);
      expect(bytes.length).toBe(size);
      expect(bytes.every((value) => value === bytes[0])).toBe(true);
    }
  });

  test("leave strangers' and young files when stale ones are removed", async () => {
    const place = join(folder, "stale");
    await mkdir(place);
    const twoDaysAgo = new Date(Date.now() - 2 * 86400_000);
    for (const name of [".old.tmp", ".young.tmp", "old"]) await writeFile(join(place, name), "");
    for (const name of [".old.tmp", "old"]) await utimes(join(place, name), twoDaysAgo, twoDaysAgo);
    await removeStale(place, temporaryPattern);
    expect((await readdir(place)).sort()).toEqual([".young.tmp", "old"]);
  });
});
