import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../../test/support/folder.ts";
import { answerKey, isRepeatable, modelDigest } from "./answer-key.ts";

const folder = useTemporaryFolder();
const key = (inputs: unknown, parameters = {}, task?: string): string =>
  answerKey("model", { inputs, parameters, ...(task && { task }) });

describe("the key of an answer", () => {
  test("does not depend on the order of fields or on how a text is wrapped", () => {
    expect(key({ question: "q", context: "c" })).toBe(key({ context: "c", question: "q" }));
    expect(key({ text: "a" }, { top_k: 1, x: undefined })).toBe(key("a", { top_k: 1 }));
    expect(key([{ text: "a" }, "b"])).toBe(key(["a", "b"]));
  });

  test("differs with everything that an answer depends on", () => {
    const keys = [
      key("a"),
      key(["a"]),
      key("A"),
      key("a", { top_k: 1 }),
      key("a", { top_k: "1" }),
      key("a", { top_k: null }),
      key("a", {}, "embeddings"),
      key(["a", "b"]),
      key(["a,b"]),
      key(["ab", ""]),
      key(new Uint8Array([97])),
      key(new Uint8Array([97, 0])),
      key({ text: "a", text_pair: "b" }),
      answerKey("other", { inputs: "a", parameters: {} }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("is only used where the same question has the same answer", () => {
    const repeats = (parameters: object, samples = false): boolean =>
      isRepeatable({ inputs: "a", parameters: { ...parameters } }, samples);
    expect([repeats({}), repeats({}, true)]).toEqual([true, false]);
    expect([repeats({ do_sample: true }), repeats({ do_sample: true, seed: 0 })]).toEqual([false, true]);
    expect(repeats({ do_sample: false }, true)).toBe(true);
  });
});

describe("the digest of a model", () => {
  test("of a folder changes with its files", async () => {
    const model = { ref: "m", name: "m", source: "folder", folder } as const;
    writeFileSync(join(folder, "model.safetensors"), "one");
    const before = await modelDigest(model);
    expect(await modelDigest(model)).toBe(before);
    utimesSync(join(folder, "model.safetensors"), 1, 1);
    expect(await modelDigest(model)).not.toBe(before);
  });
});
