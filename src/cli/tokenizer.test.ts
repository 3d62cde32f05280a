import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder);

describe("tesserae tokenizer train", () => {
  test("writes a tokeniser that loads, with the special tokens asked for", async () => {
    writeFileSync(join(folder, "de.txt"), "der Hund und der Fuchs\n".repeat(5));
    writeFileSync(join(folder, "en.txt"), "the dog and the fox\n".repeat(5));
    const files = ["de.txt", "en.txt", "--kind", "bpe", "--vocab-size", "300"];
    const { code, stdout } = await run([
      ...["tokenizer", "train", ...files],
      ...["--special", "<pad>,</s>", "--out", "vocab", "--json"],
    ]);
    expect(code).toBe(0);
    const { vocabSize } = JSON.parse(stdout);
    const tokenizer = await loadTokenizer(join(folder, "vocab"));
    expect(tokenizer.vocabSize).toBe(vocabSize);
    expect([tokenizer.padId, tokenizer.eosId]).toEqual([0, 1]);
    expect(tokenizer.encode("x der the").tokens).toEqual(["x", "Ġder", "Ġthe", "</s>"]);
  });

  test.each([
    ["a missing folder", ["train", "de.txt"], "required option '--out <folder>'"],
    ["an unknown kind", ["train", "de.txt", "--kind", "words", "--out", "x"], "Allowed choices"],
    ["a missing corpus", ["train", "nothing", "--out", "x"], "nothing: there is no such file or folder"],
  ])("ends with 2 for %s and says what is wrong", async (_, args, message) => {
    const { code, stderr } = await run(["tokenizer", ...args]);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});
