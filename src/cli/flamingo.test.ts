import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyGpt2 } from "../../test/support/tiny-generators.ts";
import { noisyPicture, writeTinyImageModel } from "../../test/support/tiny-images.ts";
import { tinyVocab, writeTinyModel } from "../../test/support/tiny-model.ts";
import { Random } from "../tensor/random.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import { cliIn } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run } = cliIn(folder, { HF_HUB_OFFLINE: "1" });
const said = { red: "a red book", green: "a green film", blue: "a blue river" } as const;
const colours = { red: [220, 30, 30], green: [30, 200, 40], blue: [30, 40, 220] } as const;
const names = Object.keys(said) as (keyof typeof said)[];

const tower = { hidden_size: 16, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2 };
const clip = {
  architectures: ["CLIPModel"],
  model_type: "clip",
  projection_dim: 8,
  image_size: 16,
  text_config: {
    ...tower,
    vocab_size: tinyVocab.length,
    max_position_embeddings: 24,
    initializer_range: 0.3,
  },
  vision_config: { ...tower, image_size: 16, patch_size: 8 },
};

beforeAll(async () => {
  await writeTinyImageModel(join(folder, "clip"), clip);
  await writeTinyModel(join(folder, "gpt2"), tinyGpt2);
  mkdirSync(join(folder, "pictures"));
  const random = new Random(3);
  const size = { width: 16, height: 16 };
  for (const name of names)
    for (let at = 0; at < 4; at++)
      await sharp(noisyPicture(size, colours[name], random), { raw: { ...size, channels: 3 } })
        .png()
        .toFile(join(folder, "pictures", `${name}${at}.png`));
  const pairs = names.flatMap((name) =>
    [0, 1, 2, 3].map((at) => ({ image: `pictures/${name}${at}.png`, caption: said[name] })),
  );
  const documents = names.map((name) => ({
    images: [`pictures/${name}0.png`, `pictures/${name}1.png`],
    text: `<image>${said[name]}<|endofchunk|><image>${said[name]}`,
  }));
  writeLines("pairs.jsonl", [
    ...pairs,
    { image: "pictures/none.png", caption: "not there" },
    { image: "pictures/red0.png", caption: " " },
  ]);
  writeLines("documents.jsonl", documents);
});

const writeLines = (name: string, rows: readonly object[]): void =>
  writeFileSync(join(folder, name), rows.map((row) => JSON.stringify(row)).join("\n"));

const weightsOf = (...path: string[]) => readSafetensors(join(folder, ...path, "model.safetensors"));
const bytesOf = (tensor: { data: ArrayBufferView } | undefined): Buffer =>
  Buffer.from(tensor!.data.buffer, tensor!.data.byteOffset, tensor!.data.byteLength);

/** Whether a weight lies between what is frozen. */
const isBetween = (name: string): boolean => /^perceiver\.|gated_cross_attn_layer\./.test(name);

const sizes = [
  "perceiver.depth=1",
  "perceiver.heads=2",
  "perceiver.dim_head=8",
  "perceiver.num_latents=4",
  "cross_attention.heads=2",
  "cross_attention.dim_head=8",
].flatMap((field) => ["--set", field]);
const training = [
  ...["--task", "image-text-to-text", "--validation", "pairs.jsonl", "--batch-size", "6", "--threads", "1"],
  ...["--learning-rate", "1e-2", "--augment", "crop=1", "--augment", "flip=0"],
];

describe("Flamingo", () => {
  test("is trained out of a CLIP and a GPT-2, and writes captions", async () => {
    const parts = ["--vision-model", "./clip", "--language-model", "./gpt2"];
    const pace = ["--epochs", "80", "--evaluate-every", "160", "--save-every", "160"];
    const made = ["train", "flamingo", ...parts, "--data", "pairs.jsonl", "--name", "seen", ...sizes];
    const trained = await run([...made, ...training, ...pace]);
    expect([trained.code, trained.stderr]).toEqual([
      0,
      expect.stringMatching(/left out pairs\.jsonl:13: .*none\.png/),
    ]);
    const written = await run(["predict", "seen", "pictures/red1.png", "pictures/blue2.png"]);
    expect(written.stdout.trim().split("\n")).toEqual([said.red, said.blue]);
    const { metrics } = JSON.parse((await run(["eval", "seen", "--data", "pairs.jsonl", "--json"])).stdout);
    expect(metrics.cider_d).toBeGreaterThan(1);
  });

  test("changes no bit of what is frozen, and keeps no optimizer state of it", async () => {
    const [best, gpt2, pictures] = await Promise.all([
      weightsOf("runs", "seen", "best"),
      weightsOf("gpt2"),
      weightsOf("clip"),
    ]);
    for (const [name, tensor] of gpt2) {
      const stored = best.get(`lang_encoder.${name.replace(/^transformer\.h\.\d+/, "$&.decoder_layer")}`);
      expect(bytesOf(stored).subarray(0, bytesOf(tensor).length)).toEqual(bytesOf(tensor)); // one row more of words
    }
    const layer = "vision_model.encoder.layers.0";
    expect(bytesOf(best.get("vision_encoder.transformer.resblocks.0.mlp.c_fc.weight"))).toEqual(
      bytesOf(pictures.get(`${layer}.mlp.fc1.weight`)),
    );
    const checkpoints = join(folder, "runs", "seen", "checkpoints");
    const newest = join(checkpoints, readdirSync(checkpoints).sort().at(-1)!);
    const moments = await readSafetensors(join(newest, "optimizer.safetensors"));
    const learned = [...moments.keys()].map((name) => name.replace(/^(first|second)\./, ""));
    expect(learned.length).toBeGreaterThan(20);
    expect(learned.every(isBetween)).toBe(true);
  });

  test("goes on learning from documents of several pictures", async () => {
    const further = ["train", "seen", "--data", "documents.jsonl", "--name", "further", "--epochs", "2"];
    const { code, stderr } = await run([...further, ...training]);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    const [before, after] = [
      await weightsOf("runs", "seen", "best"),
      await weightsOf("runs", "further", "best"),
    ];
    for (const [name, tensor] of before)
      if (!isBetween(name)) expect(bytesOf(after.get(name))).toEqual(bytesOf(tensor));
    const gate = "lang_encoder.transformer.h.0.gated_cross_attn_layer.attn_gate";
    expect(bytesOf(after.get(gate))).not.toEqual(bytesOf(before.get(gate)));
    const { freeze_pretrained } = JSON.parse(
      readFileSync(join(folder, "runs", "further", "best", "config.json"), "utf8"),
    );
    expect(freeze_pretrained).toBe(true);
  });

  test("is asked behind examples", async () => {
    const [red, blue] = ["pictures/red2.png", "pictures/blue0.png"];
    const asked = ["predict", "seen", red, "--shot", `${blue}=${said.blue}`, "--json"];
    const { code, stdout } = await run(asked);
    const [answer] = JSON.parse(stdout) as { input: object; output: object }[];
    expect([code, answer!.input]).toEqual([
      0,
      { image: red, text: "", examples: [{ image: blue, text: said.blue }] },
    ]);
    expect(answer!.output).toEqual([{ generated_text: expect.any(String) }]);
  });
});
