import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { WeightError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { openCheckpoint, writeCheckpoint } from "./checkpoint.ts";

const root = useTemporaryFolder();

async function folderOf(name: string): Promise<string> {
  const folder = join(root, name);
  await mkdir(folder);
  return folder;
}

const tensors = (): Record<string, Tensor> =>
  Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`w${i}`, Tensor.from("float32", [2], [i, -i])]));

describe("a checkpoint", () => {
  test("in one file reads back, with the metadata that transformers asks for", async () => {
    const folder = await folderOf("single");
    await writeCheckpoint(folder, tensors());
    const checkpoint = await openCheckpoint(folder);
    expect([...checkpoint.entries.keys()]).toEqual(Object.keys(tensors()));
    expect(checkpoint.entries.get("w3")).toMatchObject({
      file: "model.safetensors",
      dtype: "F32",
      sizeBytes: 8,
    });
    expect(await checkpoint.read("w3")).toEqual(tensors().w3);
    expect(await readFile(join(folder, "model.safetensors"), "latin1")).toContain('{"format":"pt"}');
    await checkpoint.close();
  });

  test("is sharded when it is larger than a shard, and a larger tensor gets its own", async () => {
    const folder = await folderOf("sharded");
    const all = { big: Tensor.zeros("float32", [10]), ...tensors() };
    await writeCheckpoint(folder, all, { maxShardBytes: 16 });
    const files = ["1", "2", "3", "4"].map((i) => `model-0000${i}-of-00004.safetensors`);
    expect((await readdir(folder)).sort()).toEqual([...files, "model.safetensors.index.json"]);
    const checkpoint = await openCheckpoint(folder);
    expect([...checkpoint.entries.values()].map(({ file }) => files.indexOf(file))).toEqual([
      0, 1, 1, 2, 2, 3,
    ]);
    for (const [name, tensor] of Object.entries(all)) expect(await checkpoint.read(name)).toEqual(tensor);
    await checkpoint.close();
    const index = JSON.parse(await readFile(join(folder, "model.safetensors.index.json"), "utf8"));
    expect(index.metadata.total_size).toBe(80);
  });

  test("written again in the other form replaces the first", async () => {
    const folder = await folderOf("rewritten");
    await writeCheckpoint(folder, tensors());
    await writeCheckpoint(
      folder,
      { a: Tensor.zeros("int8", [2]), b: Tensor.zeros("int8", [2]) },
      { maxShardBytes: 2 },
    );
    const sharded = await openCheckpoint(folder);
    expect([...sharded.entries.keys()]).toEqual(["a", "b"]);
    await sharded.close();
    await writeCheckpoint(folder, tensors());
    const single = await openCheckpoint(folder);
    expect(single.entries.size).toBe(5);
    await single.close();
    expect(await readdir(folder)).not.toContain("model.safetensors.index.json");
  });

  test("without tensors is one empty file", async () => {
    const folder = await folderOf("empty");
    await writeCheckpoint(folder, {});
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint.entries.size).toBe(0);
    await expect(checkpoint.read("a")).rejects.toThrow(`${folder}: no tensor "a" among the 0 there`);
    await checkpoint.close();
  });

  test("without safetensors is refused with advice", async () => {
    const folder = await folderOf("pickle");
    await expect(openCheckpoint(folder)).rejects.toThrow(/is this a model folder\?/);
    await writeFile(join(folder, "pytorch_model.bin"), "");
    await expect(openCheckpoint(folder)).rejects.toThrow(/save_pretrained/);
  });

  test.each([
    ["broken JSON", "{", /is not a valid index/],
    ["a tensor twice", '{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}', /appears twice/],
    ["no weight map", "{}", /needs a "weight_map"/],
    ["null", "null", /needs a "weight_map"/],
    [
      "a shard in another folder",
      '{"weight_map":{"a":"../x.safetensors"}}',
      /must be a .safetensors file in this/,
    ],
    ["an absolute shard", '{"weight_map":{"a":"/etc/x.safetensors"}}', /must be a .safetensors file in this/],
    ["a shard that is no text", '{"weight_map":{"a":1}}', /got 1/],
    ["a shard that is not there", '{"weight_map":{"a":"gone.safetensors"}}', /gone.safetensors: ENOENT/],
    [
      "a tensor its shard lacks",
      '{"weight_map":{"w0":"s.safetensors","z":"s.safetensors"}}',
      /has no tensor "z"/,
    ],
  ])("whose index has %s is refused", async (name, index, message) => {
    const folder = await folderOf(`index-${name.replaceAll(" ", "-")}`);
    await writeCheckpoint(folder, tensors());
    await writeFile(join(folder, "s.safetensors"), await readFile(join(folder, "model.safetensors")));
    await writeCheckpoint(folder, tensors(), { maxShardBytes: 8 });
    await writeFile(join(folder, "model.safetensors.index.json"), index);
    await expect(openCheckpoint(folder)).rejects.toThrow(WeightError);
    await expect(openCheckpoint(folder)).rejects.toThrow(message);
  });
});
