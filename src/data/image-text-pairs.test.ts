import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tarFile, tarOf } from "../../test/support/tar.ts";
import { packageUrl } from "../runtime/package-root.ts";
import { ImageDecoder } from "../vision/decode.ts";
import { imageTextPairs, type PairSet } from "./image-text-pairs.ts";
import { loadPixels, openImages } from "./images.ts";

const folder = useTemporaryFolder();
const decoder = new ImageDecoder({ maxFrames: 1 });

const png = (level: number): Promise<Buffer> =>
  sharp(Buffer.alloc(12, level), { raw: { width: 2, height: 2, channels: 3 } })
    .png()
    .toBuffer();
const [dark, light] = [await png(10), await png(200)];
const frames = Buffer.concat([Buffer.alloc(12, 10), Buffer.alloc(12, 90)]);
const animated = await sharp(frames, { raw: { width: 2, height: 4, channels: 3, pageHeight: 2 } })
  .gif()
  .toBuffer();

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const kindsOf = ({ badRows }: PairSet): unknown[] => badRows.map(({ line, kind }) => [line, kind]);
const captionsOf = ({ pairs }: PairSet): unknown[] => pairs.map(({ captions }) => captions);

describe("pairs of a table", () => {
  write("table/dark.png", dark);
  write("table/light.png", light);
  write("table/again.png", dark);
  write("table/moving.gif", animated);
  write("table/page.jpg", "<html>not a picture</html>");
  write("table/cut.png", light.subarray(0, 60));
  const rows = [
    "file,caption",
    "dark.png,a dark square",
    "light.png,  a light square ",
    "missing.png,nothing to see",
    "light.png,   ",
    "moving.gif,it moves",
    "page.jpg,a page",
    "cut.png,cut off",
    "again.png,a dark square",
    "again.png,nearly black",
    ",no path",
  ];
  const path = write("table/pairs.csv", `${rows.join("\n")}\n`);

  test("are sound, one for each picture; what is wrong with the others is told by row and kind", async () => {
    const set = await imageTextPairs(path, decoder);
    expect(captionsOf(set)).toEqual([["a dark square", "nearly black"], ["a light square"]]);
    expect(kindsOf(set).sort()).toEqual(
      [
        [10, "missing image"],
        [3, "missing image"],
        [4, "empty caption"],
        [5, "animated image"],
        [6, "wrong type image"],
        [7, "damaged image"],
        [8, "duplicate"],
      ]
        .map(([row, kind]) => [Number(row) + 1, kind])
        .sort(),
    );
  });

  test("stop at the first bad one under strict", async () => {
    await expect(imageTextPairs(path, decoder, { strict: true })).rejects.toThrow(/pairs\.csv:11: .*path/);
  });

  test("need a column of captions, and columns that are named", async () => {
    await expect(imageTextPairs(path, decoder, { captionColumns: ["words", "caption"] })).rejects.toThrow(
      /the column "words", but its columns are "file", "caption"/,
    );
    const bare = write("table/bare.csv", "file,size\ndark.png,2\n");
    await expect(imageTextPairs(bare, decoder)).rejects.toThrow(/a caption column/);
  });

  test("must leave one that can be used", async () => {
    const none = write("table/none.csv", "file,caption\nmissing.png,nothing\n");
    await expect(imageTextPairs(none, decoder)).rejects.toThrow(/no pair .* can be used, .*missing\.png/);
  });
});

describe("pairs of shards", () => {
  const shard = tarOf(
    tarFile("1.json", JSON.stringify({ captions: ["one", "first", "one"], tags: ["a", " b "], kind: "x" })),
    tarFile("1.png", dark),
    tarFile("2.txt", "two"),
    tarFile("3.json", JSON.stringify({ captions: [], tags: [] })),
    tarFile("3.png", light),
  );

  test("have all captions, keywords and the label of their fields", async () => {
    const path = write("shard.tar.gz", gzipSync(shard));
    const options = { keywordColumns: ["tags"], labelColumn: "kind" };
    const set = await imageTextPairs(path, decoder, options);
    expect(captionsOf(set)).toEqual([["one", "first"]]);
    expect(set.pairs[0]).toMatchObject({ keywords: ["a", "b"], label: "x", part: path });
    expect(kindsOf(set)).toEqual([
      [2, "missing image"],
      [3, "empty caption"],
    ]);
  });
});

describe("Parquet as Hugging Face writes it", () => {
  const file = packageUrl("test/data/pictures.parquet").pathname;

  test("gives embedded pictures with the names of their classes", async () => {
    const { examples } = await openImages(file);
    expect(examples.map(({ label }) => label)).toEqual(["dark", "dark", "light", "light"]);
    const images = await Promise.all(examples.map((example) => loadPixels(example, decoder)));
    expect(images.map(({ data }) => data[0])).toEqual([10, 90, 170, 250]);
    expect(new Set(examples.map(({ part }) => part)).size).toBe(2);
  });

  test("gives pairs with all their captions", async () => {
    const set = await imageTextPairs(file, decoder);
    expect(captionsOf(set)).toEqual(
      [10, 90, 170, 250].map((level) => [`level ${level}`, `grey of ${level}`]),
    );
  });

  test("is refused when it is damaged or has no pictures", async () => {
    await expect(openImages(write("no.parquet", "PAR1 nothing"))).rejects.toThrow(
      /no\.parquet: is no Parquet file or is damaged/,
    );
    await expect(openImages(file, { imageColumn: "photo" })).rejects.toThrow(/the column "photo"/);
  });
});
