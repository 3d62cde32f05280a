import { describe, expect, test } from "vitest";
import { packBlocks } from "./packing.ts";
import { wordPieceJson } from "./small-tokenizer.test-data.ts";
import { Tokenizer } from "./tokenizer.ts";

const tokenizer = new Tokenizer(wordPieceJson(), { tokenizer_class: "BertTokenizer" });
const separatorId = tokenizer.sepId!;
const documents = [["hello world", "unable ."], ["hello"]];

describe("packed blocks", () => {
  test("hold every token once, in order, a separator behind each document", () => {
    const blocks = packBlocks(documents, tokenizer, { size: 4, separatorId });
    expect(blocks.map(({ ids }) => ids.length)).toEqual([4, 4]);
    expect(tokenizer.decode(blocks.flatMap(({ ids }) => ids))).toBe("hello world unable. [SEP] hello [SEP]");
  });

  test("number words on through texts and blocks, separators aside", () => {
    const [first, second] = packBlocks(documents, tokenizer, { size: 4, separatorId });
    // hello world un ##able · . [SEP] hello [SEP]
    expect(first!.wordIds).toEqual([0, 1, 2, 2]);
    expect(second!.wordIds).toEqual([3, null, 4, null]);
  });

  test("are none for no text", () => {
    expect(packBlocks([], tokenizer, { size: 4 })).toEqual([]);
    expect(packBlocks([[""]], tokenizer, { size: 4 })).toEqual([]);
  });
});
