import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tarFile, tarOf } from "../../test/support/tar.ts";
import { ConfigError, ImageError } from "../errors.ts";
import { ImageDecoder } from "../vision/decode.ts";
import { type ImageSet, loadPixels, openImages, prefetchImages } from "./images.ts";
import { mapAhead } from "./map-ahead.ts";

const folder = useTemporaryFolder();
const decoder = new ImageDecoder();

/** A PNG of one grey level, 2 × 1. */
const png = (level: number): Promise<Buffer> =>
  sharp(Buffer.alloc(6, level), { raw: { width: 2, height: 1, channels: 3 } })
    .png()
    .toBuffer();
const [dark, light] = [await png(10), await png(200)];

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const labelsOf = (set: ImageSet): unknown[] => set.examples.map(({ label }) => label);
const levelsOf = async (set: ImageSet): Promise<number[]> => {
  const images = await Promise.all(set.examples.map((example) => loadPixels(example, decoder)));
  return images.map(({ data }) => data[0]!);
};
const bytesOf = (magic: number, shape: readonly number[], data: readonly number[]): Buffer => {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.writeUInt32BE(magic);
  for (const [i, size] of shape.entries()) header.writeUInt32BE(size, 4 + 4 * i);
  return Buffer.concat([header, Buffer.from(data)]);
};

describe("a folder of class folders", () => {
  test("gives its pictures in order, and passes over other files", async () => {
    write("classes/dog/deep/b.PNG", light);
    write("classes/cat/a.png", dark);
    write("classes/cat/notes.txt", "no picture");
    write("classes/cat/.hidden.png", dark);
    const set = await openImages(join(folder, "classes"));
    expect(labelsOf(set)).toEqual(["cat", "dog"]);
    expect(await levelsOf(set)).toEqual([10, 200]);
  });

  test("has pictures without a class outside of folders", async () => {
    write("loose/a.png", dark);
    expect((await openImages(join(folder, "loose"))).examples[0]!.label).toBeUndefined();
  });

  test("is refused without pictures", async () => {
    mkdirSync(join(folder, "none"));
    await expect(openImages(join(folder, "none"))).rejects.toThrow(/holds no pictures/);
    await expect(openImages(join(folder, "absent"))).rejects.toThrow(/no such file or folder/);
  });

  test("names the file of a picture that is damaged", async () => {
    write("bad/cat/a.png", dark.subarray(0, 60));
    const set = await openImages(join(folder, "bad"));
    const loaded = loadPixels(set.examples[0]!, decoder);
    await expect(loaded).rejects.toThrow(/bad.cat.a\.png: cannot be decoded/);
    await expect(loaded).rejects.toBeInstanceOf(ImageError);
  });
});

describe("IDX files", () => {
  const images = bytesOf(0x803, [2, 2, 1], [1, 2, 3, 4]);

  test("give grey pictures and the labels beside them, compressed or not", async () => {
    const path = write("idx/train-images-idx3-ubyte.gz", gzipSync(images));
    write("idx/train-labels-idx1-ubyte", bytesOf(0x801, [2], [7, 9]));
    const set = await openImages(path);
    expect(labelsOf(set)).toEqual(["7", "9"]);
    const second = await loadPixels(set.examples[1]!, decoder);
    expect(second).toEqual({ width: 1, height: 2, data: new Uint8Array([3, 3, 3, 4, 4, 4]) });
  });

  test("have no labels where there is no such file", async () => {
    expect(labelsOf(await openImages(write("idx-alone/t10k-images-idx3-ubyte", images)))).toEqual([
      undefined,
      undefined,
    ]);
  });

  test.each([
    [
      "a wrong magic number",
      bytesOf(0x903, [2, 2, 1], [1, 2, 3, 4]),
      /must be an IDX file of bytes with 3 axes/,
    ],
    ["too few bytes", images.subarray(0, -1), /must have 2 × 2 × 1 bytes after its header, got 3/],
    ["damaged gzip", gzipSync(images).subarray(0, 20), /is damaged gzip/],
  ])("are refused with %s", async (name, bytes, message) => {
    const path = write(`idx-${name.replaceAll(" ", "-")}/x-images-idx3-ubyte`, bytes);
    await expect(openImages(path)).rejects.toThrow(message);
  });

  test("are refused with another number of labels", async () => {
    const path = write("idx-uneven/x-images-idx3-ubyte", images);
    write("idx-uneven/x-labels-idx1-ubyte", bytesOf(0x801, [1], [7]));
    await expect(openImages(path)).rejects.toThrow(/must have 2 labels, one for each picture, got 1/);
  });
});

describe("WebDataset shards", () => {
  const shard = tarOf(
    tarFile("./", "", "5"),
    tarFile("a/001.jpg", dark), // content decides, not the name
    tarFile("a/001.cls", "4\n"),
    tarFile("a/002.json", '{"label": "dog", "width": 2}'),
    tarFile("a/002.png", light),
    tarFile("a/002.txt", "a light square"),
  );

  test.each([
    ["plain.tar", shard],
    ["packed.tar.gz", gzipSync(shard)],
  ])("give pictures with labels and fields: %s", async (name, bytes) => {
    const set = await openImages(write(`shards-${name}/${name}`, bytes));
    expect(set.examples.map(({ label, fields }) => ({ label, fields }))).toEqual([
      { label: "4", fields: {} },
      { label: "dog", fields: { label: "dog", width: 2, caption: "a light square" } },
    ]);
    expect(await levelsOf(set)).toEqual([10, 200]);
  });

  test("of a folder follow each other by name", async () => {
    write("many/1.tar", tarOf(tarFile("x.png", light)));
    write("many/0.tar", tarOf(tarFile("x.png", dark)));
    expect(await levelsOf(await openImages(join(folder, "many")))).toEqual([10, 200]);
  });

  test("may have long names", async () => {
    const name = `${"d".repeat(60)}/${"e".repeat(80)}.png`;
    const record = ` path=${name}\n`;
    const pax = `${record.length + 3}${record}`;
    const set = await openImages(
      write(
        "long.tar",
        tarOf(
          tarFile("././@LongLink", `${name}\0`, "L"),
          tarFile("cut.png", dark),
          tarFile("pax", pax, "x"),
          tarFile("cut.png", dark),
          tarFile("c.png", dark, "0", "prefix"),
        ),
      ),
    );
    const names = set.examples.map(({ source }) => source.split(".tar:")[1]);
    expect(names).toEqual([name, "prefix/c.png"]); // the first two are one sample
  });

  test("report samples without a picture or with bad JSON", async () => {
    const bytes = tarOf(
      tarFile("a.txt", "no picture"),
      tarFile("b.png", dark),
      tarFile("b.json", "{"),
      tarFile("c.png", dark),
    );
    const set = await openImages(write("bad-samples.tar", bytes));
    expect(set.examples).toHaveLength(1);
    expect(set.badRows.map(({ line, reason }) => [line, reason])).toEqual([
      [1, "a has no picture, only txt"],
      [2, "b.json must be a JSON object"],
    ]);
  });

  test.each([
    [
      "a changed header",
      Buffer.from(shard).fill(65, 3, 9),
      /damaged tar archive at byte 0: the header's checksum must be/,
    ],
    [
      "its end cut off",
      shard.subarray(0, 512 + 512 + 20),
      /damaged tar archive at byte 512: "a\/001\.jpg" has \d+ bytes, which is more/,
    ],
    ["nothing in it", Buffer.alloc(1024), /holds no pictures/],
  ])("are refused with %s", async (name, bytes, message) => {
    await expect(openImages(write(`${name.replaceAll(/\W/g, "")}.tar`, bytes))).rejects.toThrow(message);
  });
});

describe("tables of paths", () => {
  test.each([
    ["csv", "file,class\ncat/a.png,cat\ndog/deep/b.PNG,dog\n,dog\ncat/a.png,\n"],
    ["tsv", "file\tclass\ncat/a.png\tcat\ndog/deep/b.PNG\tdog\n\tdog\ncat/a.png\t\n"],
    [
      "jsonl",
      '{"image":"cat/a.png","label":"cat"}\n{"image":"dog/deep/b.PNG","label":"dog"}\n{"image":3,"label":"dog"}\n{"image":"cat/a.png"}\n',
    ],
  ])("give pictures, labels and bad rows: %s", async (extension, text) => {
    const root = `table-${extension}`;
    write(`${root}/dog/deep/b.PNG`, light);
    write(`${root}/cat/a.png`, dark);
    const set = await openImages(write(`${root}/list.${extension}`, text));
    expect(labelsOf(set)).toEqual(["cat", "dog"]);
    expect(await levelsOf(set)).toEqual([10, 200]);
    expect(set.badRows.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/must be a path/),
      expect.stringMatching(/must be a label/),
    ]);
  });

  test("name the row of a picture that is missing", async () => {
    const set = await openImages(write("table.csv", "path\nnowhere.png\n"));
    await expect(set.examples[0]!.load()).rejects.toThrow(
      /table\.csv:2: names the picture .*nowhere\.png, which cannot be read/,
    );
  });

  test("need a column of paths", async () => {
    await expect(openImages(write("wrong.csv", "a,b\n1,2\n"))).rejects.toThrow(/must have an? image column/);
  });

  test("are not files of another kind", async () => {
    const opened = openImages(write("x.xlsx", "PK"));
    await expect(opened).rejects.toThrow(/x\.xlsx: pictures must come from a folder, \.tar/);
    await expect(opened).rejects.toBeInstanceOf(ConfigError);
  });
});

describe("reading ahead", () => {
  test("keeps the order, and begins no more than it may", async () => {
    let begun = 0;
    let read = 0;
    const work = async (i: number): Promise<number> => {
      expect(++begun - read).toBeLessThanOrEqual(3);
      await new Promise((resolve) => setTimeout(resolve, (i * 7) % 5));
      return i;
    };
    const results: number[] = [];
    for await (const i of mapAhead([0, 1, 2, 3, 4, 5, 6], work, 3)) {
      results.push(i);
      read++;
    }
    expect(results).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test("throws an error where its item stands", async () => {
    const results: number[] = [];
    const work = (i: number): Promise<number> =>
      i === 2 ? Promise.reject(new Error("lost")) : Promise.resolve(i);
    const reading = (async () => {
      for await (const i of mapAhead([0, 1, 2, 3], work, 4)) results.push(i);
    })();
    await expect(reading).rejects.toThrow("lost");
    expect(results).toEqual([0, 1]);
  });

  test("gives decoded pictures in the order asked for", async () => {
    const set = await openImages(join(folder, "classes"));
    const levels: number[] = [];
    for await (const level of prefetchImages(
      set,
      [1, 0, 1],
      decoder,
      ({ data }, index) => data[0]! + index,
      2,
    )) {
      levels.push(level);
    }
    expect(levels).toEqual([201, 10, 201]);
  });
});
