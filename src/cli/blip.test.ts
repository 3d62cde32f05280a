import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { HF_HUB_OFFLINE: "1" });
const colours = { red: [220, 30, 30], green: [30, 200, 40], blue: [30, 40, 220], white: [250, 250, 250] };
const names = Object.keys(colours) as (keyof typeof colours)[];
const samples = 6; // of each colour

/** Pictures of one colour and a little noise; the last of each is said to be of the next colour in `noisy.jsonl`. */
beforeAll(async () => {
  mkdirSync(join(folder, "pictures"));
  const rows: Record<"pairs" | "noisy" | "questions", object[]> = { pairs: [], noisy: [], questions: [] };
  for (const [at, name] of names.entries()) {
    for (let sample = 0; sample < samples; sample++) {
      const image = join("pictures", `${name}${sample}.png`);
      const level = (pixel: number): number => colours[name][pixel % 3]! - ((pixel * 7 + sample * 5) % 11);
      const bytes = Uint8Array.from({ length: 16 * 16 * 3 }, (_, pixel) => level(pixel));
      await sharp(bytes, { raw: { width: 16, height: 16, channels: 3 } })
        .png()
        .toFile(join(folder, image));
      const said = sample === samples - 1 ? names[(at + 1) % names.length] : name;
      rows.pairs.push({ image, caption: `a small ${name} square` });
      rows.noisy.push({ image, caption: `a small ${said} square`, number: sample });
      rows.questions.push({
        image,
        question: "What colour is it?",
        answers: [...new Array(4).fill(name), "no idea"],
      });
    }
  }
  for (const [name, lines] of Object.entries(rows))
    writeFileSync(join(folder, `${name}.jsonl`), lines.map((row) => JSON.stringify(row)).join("\n"));
  writeFileSync(join(folder, "blip.yaml"), yaml);
});

const yaml = `model: blip-base
task: blip-pretraining
data: pairs.jsonl
validation: pairs.jsonl
train-tokenizer: 300
name: squares
set:
  vision_config.image_size: 16
  vision_config.patch_size: 8
  vision_config.hidden_size: 32
  vision_config.num_hidden_layers: 1
  vision_config.num_attention_heads: 2
  vision_config.intermediate_size: 32
  text_config.hidden_size: 32
  text_config.num_hidden_layers: 1
  text_config.num_attention_heads: 2
  text_config.intermediate_size: 32
  text_config.max_position_embeddings: 16
  image_text_hidden_size: 16
  queue_size: 16
  momentum: 0.9
augment:
  crop: 1
  flip: 0
epochs: 120
batch-size: 12
learning-rate: 5e-3
evaluate-every: 240
save-every: 240
threads: 1
`;

describe("BLIP", () => {
  test("is trained on pairs, writes captions, matches texts with pictures and says how well", async () => {
    const trained = await run(["train", "--config", "blip.yaml"]);
    expect([trained.code, trained.stdout]).toEqual([0, expect.stringMatching(/^squares@1: loss .*loss_itm/)]);
    const written = await run(["predict", "squares", "pictures/blue0.png"]);
    expect([written.code, written.stdout.trim()]).toEqual([0, "a small blue square"]);
    const { metrics, task } = await json(["eval", "squares", "--data", "pairs.jsonl", "--json"]);
    expect(task).toBe("image-to-text");
    expect(metrics.cider_d).toBeGreaterThan(1);
    expect(metrics.bleu4).toBeGreaterThan(80);
    expect(metrics["itm_image_to_text_recall@10"]).toBeGreaterThanOrEqual(
      metrics["itc_image_to_text_recall@10"],
    );
    const info = await json(["info", "squares", "--json"]);
    expect(info.task).toBe("image-to-text");
  });

  test("cleans pairs: wrong captions go, new ones come, and the result is a data set", async () => {
    const call = ["capfilt", "squares", "--data", "noisy.jsonl", "--out", "cleaned"];
    const { original, synthetic, pictures } = await json([...call, "--json"]);
    expect(original).toEqual({ judged: 24, kept: 20 });
    expect(pictures).toEqual({ judged: 24, kept: 24 });
    expect(synthetic.kept).toBe(4); // the others are what was there
    expect(readdirSync(join(folder, "cleaned")).sort()).toEqual([
      "00000.tar",
      "dropped.jsonl",
      "report.json",
    ]);
    const dropped = readFileSync(join(folder, "cleaned", "dropped.jsonl"), "utf8")
      .trim()
      .split("\n");
    expect(JSON.parse(dropped[0]!)).toMatchObject({ origin: "original", text: "a small green square" });
    const again = await json(["eval", "squares", "--data", "cleaned", "--json"]);
    expect(again.items).toBe(24);
    expect((await run(call)).stderr).toMatch(/cleaned: is there already/);
  });

  test("captions pictures that nothing is said of", async () => {
    const call = ["capfilt", "squares", "--data", "pictures", "--out", "captioned", "--json"];
    const { code, stdout, stderr } = await run(call);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(JSON.parse(stdout)).toMatchObject({
      original: { judged: 0 },
      synthetic: { judged: 24, kept: 24 },
    });
    expect(existsSync(join(folder, "captioned", "dropped.jsonl"))).toBe(false);
  });

  test.each([
    ["image-to-text", "pairs.jsonl", "cider_d", 1, "10"],
    ["visual-question-answering", "questions.jsonl", "vqa_accuracy", 0.9, "60"],
  ])("is fine-tuned for %s", async (task, data, metric, least, epochs) => {
    const files = ["--data", data, "--validation", data, "--name", task, "--threads", "1"];
    const pace = ["--epochs", epochs, "--evaluate-every", "200", "--batch-size", "12"];
    const rate = ["--learning-rate", "5e-3"];
    const trained = await run(["train", "squares", "--task", task, ...files, ...pace, ...rate]);
    expect([trained.code, trained.stderr]).toEqual([0, expect.stringMatching(/parameters/)]);
    const { metrics } = await json(["eval", task, "--data", data, "--json"]);
    expect(metrics[metric]).toBeGreaterThan(least);
  });

  test("answers a question about a picture", async () => {
    const call = ["predict", "visual-question-answering", "pictures/red1.png"];
    const { stdout } = await run([...call, "--question", "What colour is it?"]);
    expect(stdout).toMatch(/^red /);
  });

  test("refuses a filter that matches nothing", async () => {
    const { code, stderr } = await run(["capfilt", "sst2", "--data", "noisy.jsonl", "--out", "none"]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/does not match texts with images/)]);
    expect(existsSync(join(folder, "none"))).toBe(false);
  });
});

async function json(args: readonly string[]) {
  const { stdout, stderr } = await run(args);
  expect(stderr).not.toMatch(/^error/m);
  return JSON.parse(stdout);
}
