import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { readShardFolder } from "./webdataset.ts";
import { ShardWriter } from "./write-shards.ts";

const folder = useTemporaryFolder();

test("a shard gives back the files of its examples, of any length", async () => {
  const writer = new ShardWriter(folder);
  const sizes = [0, 1, 511, 512, 513, 5000];
  for (const size of sizes) {
    const json = Buffer.from(JSON.stringify({ captions: [`${size} bytes, naïve`] }));
    await writer.add({ png: new Uint8Array(size).fill(size % 256), json });
  }
  await writer.close();
  expect(readdirSync(folder)).toEqual(["00000.tar"]);
  expect(statSync(join(folder, "00000.tar")).size % 512).toBe(0);
  const { examples, badRows } = (await readShardFolder(folder))!;
  expect(badRows).toEqual([]);
  const loaded = await Promise.all(examples.map((example) => example.load()));
  expect(loaded.map((bytes) => (bytes as Uint8Array).length)).toEqual(sizes);
  expect(new Set(loaded[5] as Uint8Array)).toEqual(new Set([5000 % 256]));
  expect(examples[3]!.fields).toEqual({ captions: ["512 bytes, naïve"] });
});

test("a shard that is there is never written over", async () => {
  const writer = new ShardWriter(folder);
  await expect(writer.add({ png: new Uint8Array(1) })).rejects.toThrow(/EEXIST/);
});
