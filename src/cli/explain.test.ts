import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { pngOf, writeTinyClip } from "../../test/support/tiny-images.ts";
import { tinyConfig, writeTinyModel } from "../../test/support/tiny-model.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { HF_HUB_OFFLINE: "1" });

test("explain writes a page and shows the strongest words", async () => {
  const { code, stdout } = await run([
    "explain",
    "sst2",
    "a truly dull film",
    "--out",
    "page.html",
    "--steps",
    "4",
  ]);
  expect([code, stdout.split("\n")[0]]).toEqual([0, expect.stringMatching(/^negative: score/)]);
  expect(stdout).toContain("attention maps in page.html");
  expect(readFileSync(join(folder, "page.html"), "utf8")).toMatch(/^<!doctype html>.*<\/html>\n$/s);
});

test("explain takes a question with its context, and writes a document", async () => {
  await writeTinyModel(join(folder, "questions"), tinyConfig("BertForQuestionAnswering"));
  const { stdout } = await run([
    "explain",
    "./questions",
    "who ran?",
    "mary ran",
    "--target",
    "mary",
    "--steps",
    "2",
    "--json",
  ]);
  const { attribution, task } = JSON.parse(stdout);
  expect([task, attribution.target.label]).toEqual(["question-answering", "mary"]);
});

test("explain takes a picture with a text, by flags or by place, and draws them", async () => {
  await writeTinyClip(join(folder, "clip"));
  writeFileSync(join(folder, "photo.png"), await pngOf(16, 1));
  const asked = ["explain", "./clip", "--image", "photo.png", "--text", "a red book", "--steps", "2"];
  const { code, stdout } = await run([...asked, "--out", "match.png"]);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^CLIPModel: logit .*drawn in match\.png\n$/s)]);
  expect(readFileSync(join(folder, "match.png")).subarray(1, 4).toString()).toBe("PNG");
  const { stdout: document } = await run(["explain", "./clip", "photo.png", "a red book", "--json"]);
  expect(JSON.parse(document).words.map(({ text }: { text: string }) => text)).toEqual(["a", "red", "book"]);
  const { code: refused, stderr } = await run([...asked, "--layer", "1"]);
  expect([refused, stderr]).toEqual([2, expect.stringMatching(/leave out --layer/)]);
});

test.each([
  ["a flag of other models", ["sst2", "good", "--layer", "1"], "reads texts; leave out --layer"],
  ["a picture that is not read", ["sst2", "good", "--image", "a.png"], "reads texts; give that"],
  ["an unknown label", ["sst2", "good", "--target", "fine"], "one of negative, positive"],
  [
    "a page in no folder",
    ["sst2", "good", "--steps", "1", "--out", "no/page.html"],
    "no/page.html: cannot be written",
  ],
])("explain ends with 2 for %s", async (_, args, message) => {
  const { code, stderr } = await run(["explain", ...args]);
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
});
