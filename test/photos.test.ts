import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { photoScores, questionsAbout } from "../bench/photo-scores.ts";
import { type ImageTextPair, imageTextPairs } from "../src/data/image-text-pairs.ts";
import { ImageDecoder } from "../src/vision/decode.ts";
import { useTemporaryFolder } from "./support/folder.ts";
import { writeTinyBlip } from "./support/tiny-images.ts";

const photos = fileURLToPath(new URL("../../shared/data/coco_mini/val.tar", import.meta.url));
const folder = useTemporaryFolder();

test("questions are asked about what captions name, and about what they do not", () => {
  const captions = ["Two dogs on a beach", "A dog runs", "An animal at the sea"];
  const asked = questionsAbout({ captions } as unknown as ImageTextPair);
  expect(asked.map(({ question, answers }) => [question, answers])).toEqual([
    ["is there a dog in the picture?", ["yes", "yes", "yes"]],
    ["is there a cat in the picture?", ["no", "no", "no"]],
  ]);
  expect(questionsAbout({ captions: ["A scene"] } as unknown as ImageTextPair)).toEqual([]);
});

describe.skipIf(!existsSync(photos))(`photos (skipped where ${photos} is absent)`, () => {
  test("go through captions, retrieval and questions", async () => {
    const { pairs } = await imageTextPairs(photos, new ImageDecoder());
    const write = (name: string, architecture: string) => writeTinyBlip(join(folder, name), architecture);
    const models = {
      captioner: await write("captions", "BlipForConditionalGeneration"),
      matcher: await write("matches", "BlipForImageTextRetrieval"),
      answerer: await write("answers", "BlipForQuestionAnswering"),
    };
    const scores = await photoScores(pairs.slice(0, 6), models, { provider: "cpu", threads: 1 });
    expect(scores).toMatchObject({ photos: 6, bleu4: expect.any(Number), vqa_accuracy: expect.any(Number) });
    for (const way of ["text_to_image", "image_to_text"]) {
      for (const kind of ["itc", "itm"]) {
        const recalls = [1, 5, 10].map((rank) => scores[`${kind}_${way}_recall@${rank}`]!);
        expect(recalls).toEqual([...recalls].sort((a, b) => a - b));
        if (way === "text_to_image") expect(recalls[2]).toBe(1); // there are fewer photos
      }
    }
  });
});
