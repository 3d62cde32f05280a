import { open, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { WeightError } from "../errors.ts";
import type { DType } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { parseSafetensors, readSafetensors, SafetensorsFile, writeSafetensors } from "./safetensors.ts";

const folder = useTemporaryFolder();

const dtypes: readonly DType[] = [
  "float32",
  "float64",
  "float16",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "bool",
];

const oneOfEach = (): Record<string, Tensor> =>
  Object.fromEntries(dtypes.map((dtype) => [`t.${dtype}`, Tensor.from(dtype, [1, 3], [1, 0, 1])]));

describe("safetensors files", () => {
  test("tensors of every dtype come back as they were written", async () => {
    const path = join(folder, "all.safetensors");
    const tensors = {
      ...oneOfEach(),
      scalar: Tensor.from("float32", [], [7]),
      empty: Tensor.zeros("int64", [0, 2]),
    };
    await writeSafetensors(path, tensors, { note: "ünï", format: "pt" });
    expect(Object.fromEntries(await readSafetensors(path))).toEqual(tensors);
    const inMemory = parseSafetensors(await readFile(path));
    expect(Object.fromEntries(inMemory.tensors)).toEqual(tensors);
    expect(inMemory.metadata).toEqual({ format: "pt", note: "ünï" });
  });

  test("the bytes are those that the original library writes", async () => {
    const path = join(folder, "golden.safetensors");
    const tensors = {
      "1": Tensor.from("bool", [1], [1]),
      b: Tensor.from("int32", [1], [2]),
      a: Tensor.from("int32", [1], [1]),
    };
    await writeSafetensors(path, tensors, { format: "pt" });
    const header =
      '{"__metadata__":{"format":"pt"},"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},' +
      '"b":{"dtype":"I32","shape":[1],"data_offsets":[4,8]},"1":{"dtype":"BOOL","shape":[1],"data_offsets":[8,9]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    const prefix = Buffer.from([padded.length, 0, 0, 0, 0, 0, 0, 0]);
    const data = Buffer.from([1, 0, 0, 0, 2, 0, 0, 0, 1]);
    expect(await readFile(path)).toEqual(Buffer.concat([prefix, Buffer.from(padded), data]));
  });

  test("the order of the tensors given does not change the bytes", async () => {
    const [first, second] = [join(folder, "first.safetensors"), join(folder, "second.safetensors")];
    const pairs = Object.entries(oneOfEach());
    await writeSafetensors(first, pairs, { a: "1", b: "2" });
    await writeSafetensors(second, pairs.reverse(), { b: "2", a: "1" });
    expect(await readFile(first)).toEqual(await readFile(second));
  });

  test("every tensor starts at a multiple of its element's size", async () => {
    const path = join(folder, "aligned.safetensors");
    await writeSafetensors(path, oneOfEach());
    const file = await SafetensorsFile.open(path);
    const tensors = await file.readAll();
    for (const [name, { offset }] of file.entries) {
      expect(offset % tensors.get(name)!.data.BYTES_PER_ELEMENT, name).toBe(0);
    }
    await file.close();
  });

  test("a view into a larger buffer is written as the view alone", async () => {
    const path = join(folder, "view.safetensors");
    const view = new Tensor("float32", [2], Float32Array.of(1, 2, 3, 4).subarray(1, 3));
    await writeSafetensors(path, { view });
    expect((await readSafetensors(path)).get("view")!.toNumbers()).toEqual([2, 3]);
  });

  test("opening 7 GB reads the header alone, and a tensor beyond 4 GiB is found", async () => {
    const path = join(folder, "sparse.safetensors");
    const bigElements = 7_000_000_000 / 4;
    const header = JSON.stringify({
      big: { dtype: "F32", shape: [bigElements], data_offsets: [0, 4 * bigElements] },
      last: { dtype: "F32", shape: [2], data_offsets: [4 * bigElements, 4 * bigElements + 8] },
    });
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(header.length));
    await writeFile(path, Buffer.concat([prefix, Buffer.from(header)]));
    const end = 8 + header.length + 4 * bigElements;
    await truncate(path, end); // a hole, which takes no space on the disk
    const handle = await open(path, "r+");
    await handle.write(new Uint8Array(Float32Array.of(3, 4).buffer), 0, 8, end);
    await handle.close();

    const before = process.memoryUsage();
    const startMs = performance.now();
    const file = await SafetensorsFile.open(path);
    const last = await file.read("last");
    expect(performance.now() - startMs).toBeLessThan(5000); // reading 7 GB would take longer
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(1e7);
    expect(last.toNumbers()).toEqual([3, 4]);
    expect(file.entries.get("big")!.sizeBytes).toBe(7_000_000_000);
    await file.close();
  });

  test("a name that is not there, a missing file and a folder are WeightErrors that name them", async () => {
    const path = join(folder, "one.safetensors");
    await writeSafetensors(path, { a: Tensor.zeros("float32", [1]) });
    const file = await SafetensorsFile.open(path);
    await expect(file.read("b")).rejects.toThrow(
      `${path}: tensor "b": is not in the file, which has 1 tensors`,
    );
    await file.close();
    await expect(SafetensorsFile.open(join(folder, "none"))).rejects.toThrow(/none: ENOENT/);
    await expect(SafetensorsFile.open(folder)).rejects.toBeInstanceOf(WeightError);
  });

  test("a file cut after it was opened is noticed", async () => {
    const path = join(folder, "cut.safetensors");
    await writeSafetensors(path, { a: Tensor.zeros("float32", [100]) });
    const file = await SafetensorsFile.open(path);
    await truncate(path, 200);
    await expect(file.read("a")).rejects.toThrow(
      /cut.safetensors: tensor "a": expected 400 bytes .* ended after/,
    );
    await file.close();
  });

  test("reading from a closed file is a WeightError", async () => {
    const path = join(folder, "closed.safetensors");
    await writeSafetensors(path, { a: Tensor.zeros("float32", [1]) });
    const file = await SafetensorsFile.open(path);
    await file.close();
    await expect(file.read("a")).rejects.toBeInstanceOf(WeightError);
  });
});

describe("writing safetensors", () => {
  const a = Tensor.zeros("float32", [1]);

  test.each([
    [
      "a name given twice",
      [
        ["a", a],
        ["a", a],
      ],
    ],
    ["the name of the metadata", [["__metadata__", a]]],
    ["a name that is half a character", [["\ud800", a]]],
  ] as const)("refuses %s and writes nothing", async (_, pairs) => {
    const path = join(folder, "refused.safetensors");
    await expect(writeSafetensors(path, pairs)).rejects.toBeInstanceOf(WeightError);
    await expect(readFile(path)).rejects.toThrow(/ENOENT/);
  });

  test("into a missing folder is a WeightError", async () => {
    const path = join(folder, "absent", "x.safetensors");
    await expect(writeSafetensors(path, { a })).rejects.toThrow(WeightError);
  });

  test("replaces an old file and leaves no temporary one", async () => {
    const path = join(folder, "replaced.safetensors");
    await writeSafetensors(path, { a });
    await writeSafetensors(path, { b: a });
    expect([...(await readSafetensors(path)).keys()]).toEqual(["b"]);
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});
