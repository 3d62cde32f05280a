import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { filesOf, readExamples } from "./read-examples.ts";

const folder = useTemporaryFolder();

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const read = (path: string, options = {}) => readExamples("translation", path, options);

describe("parallel files", () => {
  const german = write("train.de.gz", gzipSync("Ein Mann.\r\nZwei Hunde.\n\nDrei.\n"));
  const english = write("train.en.gz", gzipSync("A man.\nTwo dogs.\nNobody.\n \n"));

  test("are read line by line, and pairs with an empty side are bad rows", async () => {
    const { examples, badRows } = await read(`${german},${english}`);
    expect(examples).toEqual([
      { source: "Ein Mann.", target: "A man." },
      { source: "Zwei Hunde.", target: "Two dogs." },
    ]);
    expect(badRows.map(({ file, line }) => [file, line])).toEqual([
      [german, 3],
      [english, 4],
    ]);
    expect(await filesOf("translation", `${german},${english}`)).toEqual([german, english]);
  });

  test("must have as many lines as each other", async () => {
    const short = write("short.en", "A man.\n");
    await expect(read(`${german},${short}`)).rejects.toThrow(/got 4 and 1/);
  });

  test("a line that is not UTF-8 is a bad row of its file", async () => {
    const broken = write(
      "broken.en",
      Buffer.concat([Buffer.from("A man.\n"), Buffer.from([0xff, 10, 97, 10, 98, 10])]),
    );
    const { badRows } = await read(`${german},${broken}`);
    expect(badRows).toContainEqual({ file: broken, line: 2, reason: "is not valid UTF-8" });
  });

  test("are two", async () => {
    await expect(read(`${german},${english},${english}`)).rejects.toThrow(/a source and a target file/);
  });
});

describe("tables of translations", () => {
  const pair = { source: "Ein Mann.", target: "A man." };

  test("are read by known names, by given names, or as the only two columns", async () => {
    const known = write("known.csv", "id,target,source\n1,A man.,Ein Mann.\n");
    const named = write("named.jsonl", '{"de":"Ein Mann.","en":"A man.","id":1}\n');
    const two = write("two.tsv", "de\ten\nEin Mann.\tA man.\n");
    expect((await read(known)).examples).toEqual([pair]);
    expect((await read(named, { textColumn: "de", pairColumn: "en" })).examples).toEqual([pair]);
    expect((await read(two)).examples).toEqual([pair]);
  });

  test("of unknown columns are refused by their names", async () => {
    const path = write("unknown.csv", "a,b,c\n1,2,3\n");
    await expect(read(path)).rejects.toThrow(/columns are a, b, c; name them/);
  });

  test("rows without a text are bad", async () => {
    const path = write(
      "gaps.jsonl",
      '{"source":"Ein Mann.","target":"A man."}\n{"source":"Zwei.","target":3}\n',
    );
    const { examples, badRows } = await read(path);
    expect(examples).toEqual([pair]);
    expect(badRows[0]?.reason).toBe("target must be a text, got 3");
  });
});
