import { writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { HF_HUB_OFFLINE: "1" });
const names = ["black", "blue", "green", "cyan", "red", "purple", "yellow", "white"];

const tower = (name: string): string =>
  Object.entries({ hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 })
    .map(([field, value]) => `  ${name}.${field}: ${value}`)
    .join("\n");
const yaml = `model: clip-vit-base-patch32
task: image-text-contrastive
data: pairs.csv
validation: pairs.csv
name: colours
train-tokenizer: 560
image-mean: 0.5,0.5,0.5
image-std: 0.3,0.3,0.3
set:
  projection_dim: 12
${tower("text_config")}
  text_config.max_position_embeddings: 8
  text_config.initializer_range: 0.2
${tower("vision_config")}
  vision_config.image_size: 16
  vision_config.patch_size: 8
augment:
  crop: 1
  flip: 0
epochs: 50
batch-size: 8
micro-batch: 4
evaluate-every: 25
learning-rate: 1e-2
threads: 1
`;

/** A picture of each colour, whose number's bits are its channels, and rows that cannot be used or must be cut. */
beforeAll(async () => {
  const rows = ["file,caption,kind", "nowhere.png,missing,x", "0.png,,x", "0.png,black,x"];
  rows.push("moving.gif,it moves,x", "page.png,a page,x", `0.png,${"very ".repeat(10_000)}black,x`);
  writeFileSync(join(folder, "page.png"), "<html>not a picture</html>");
  const frames = Buffer.concat([Buffer.alloc(12, 10), Buffer.alloc(12, 90)]);
  await sharp(frames, { raw: { width: 2, height: 4, channels: 3, pageHeight: 2 } })
    .gif()
    .toFile(join(folder, "moving.gif"));
  for (const [at, name] of names.entries()) {
    const levels = [at & 4, at & 2, at & 1].map((bit) => (bit ? 230 : 20));
    const bytes = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => levels[i % 3]!);
    await sharp(bytes, { raw: { width: 16, height: 16, channels: 3 } })
      .png()
      .toFile(join(folder, `${at}.png`));
    rows.push(`${at}.png,${name},${name}`);
  }
  writeFileSync(join(folder, "pairs.csv"), rows.join("\n"));
  writeFileSync(join(folder, "run.yaml"), yaml);
});

describe("pairs of images and texts", () => {
  test("a CLIP is trained by a file from random weights, measured, and asked", async () => {
    const trained = await run(["train", "--config", "run.yaml"]);
    expect([trained.code, trained.stdout]).toEqual([0, expect.stringMatching(/^colours@1: .*mean_recall/)]);
    expect(trained.stderr).toMatch(
      /left out 10 bad rows in all \(missing image 2, empty caption 2, animated image 2, wrong type image 2, duplicate 2\)/,
    );
    expect(trained.stderr).toMatch(/2 examples are cut to --max-length/);
    const args = ["eval", "colours", "--data", "pairs.csv", "--label-column", "kind", "--template", "{}"];
    const scored = JSON.parse((await run([...args, "--json"])).stdout);
    expect(scored).toMatchObject({
      model: "colours@1",
      task: "image-text-contrastive",
      items: 8,
      badRowKinds: {
        "missing image": 1,
        "empty caption": 1,
        "animated image": 1,
        "wrong type image": 1,
        duplicate: 1,
      },
    });
    expect(scored.metrics["text_to_image_recall@1"]).toBeGreaterThan(0.6);
    expect(scored.metrics["image_to_text_recall@10"]).toBe(1);
    const answer = await run(["predict", "colours", "4.png", "--labels", "red", "cyan", "--template", "{}"]);
    expect(answer.stdout).toMatch(/png\n +[\d.]+ red/);
  });

  test("bad pairs stop a strict run, and flags of other tasks are refused", async () => {
    const strict = await run(["train", "--config", "run.yaml", "--strict"]);
    expect([strict.code, strict.stderr]).toEqual([1, expect.stringMatching(/pairs\.csv:2: .*nowhere\.png/)]);
    const crf = await run(["train", "--config", "run.yaml", "--crf"]);
    expect([crf.code, crf.stderr]).toEqual([
      2,
      expect.stringMatching(/--crf is not for image-text-contrastive/),
    ]);
  });
});
