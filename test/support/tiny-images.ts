/** Small pictures in folders by class, and small models that read them. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import type { ConfigJson } from "../../src/models/config.ts";
import { Random } from "../../src/tensor/random.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { weightsFile } from "../../src/weights/checkpoint.ts";
import { readSafetensors, writeSafetensors } from "../../src/weights/safetensors.ts";
import { tinyGpt2 } from "./tiny-generators.ts";
import { tinyVocab, writeTinyModel } from "./tiny-model.ts";

/** A picture of noise around one colour. */
export function noisyPicture(
  { width, height }: { width: number; height: number },
  colour: readonly [number, number, number],
  random: Random,
): Uint8Array {
  const pixels = new Uint8Array(width * height * 3);
  for (let at = 0; at < pixels.length; at++)
    pixels[at] = Math.max(0, Math.min(255, colour[at % 3]! + Math.round(40 * random.normal())));
  return pixels;
}

const colours = { blue: [60, 80, 170], green: [60, 170, 80], red: [170, 80, 60] } as const;

/** Writes `folder/<colour>/<n>.png`, `count` of each of three colours, 18 × 16 pixels; returns the folder. */
export async function writeTinyImages(folder: string, count: number, seed = 1): Promise<string> {
  const random = new Random(seed);
  const size = { width: 18, height: 16 };
  for (const [name, colour] of Object.entries(colours)) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let at = 0; at < count; at++) {
      const raw = { ...size, channels: 3 as const };
      const file = join(folder, name, `${String(at).padStart(3, "0")}.png`);
      await sharp(noisyPicture(size, colour, random), { raw })
        .png()
        .toFile(file);
    }
  }
  return folder;
}

const layers = { num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 32 };

/** config.json of a ViT for pictures of 16 × 16. */
export const tinyVit = {
  architectures: ["ViTForImageClassification"],
  model_type: "vit",
  image_size: 16,
  patch_size: 4,
  initializer_range: 0.1,
  hidden_size: 16,
  ...layers,
};

/** config.json of an MAE for pictures of 16 × 16. */
export const tinyMae = {
  ...tinyVit,
  architectures: ["ViTMAEForPreTraining"],
  model_type: "vit_mae",
  decoder_hidden_size: 16,
  decoder_num_hidden_layers: 1,
  decoder_num_attention_heads: 2,
  decoder_intermediate_size: 32,
};

/** Writes a model of random weights with its preprocessor; returns the folder. */
export async function writeTinyImageModel(folder: string, config: ConfigJson, seed = 7): Promise<string> {
  await writeTinyModel(folder, config, seed);
  const side = Number(config.image_size);
  const preprocessor = {
    image_processor_type: "ViTImageProcessor",
    do_resize: true,
    size: { height: side, width: side },
    resample: 2,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: [0.5, 0.4, 0.6],
    image_std: [0.25, 0.2, 0.3],
  };
  writeFileSync(join(folder, "preprocessor_config.json"), JSON.stringify(preprocessor));
  return folder;
}

const tinyTower = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const tinyWords = {
  ...tinyTower,
  vocab_size: tinyVocab.length,
  max_position_embeddings: 24,
  initializer_range: 0.5,
};
const tinyPictures = { ...tinyTower, image_size: 16, patch_size: 8 };

/** Writes a CLIP of 8 features for pictures of 16 × 16, with random weights; returns the folder. */
export const writeTinyClip = (folder: string): Promise<string> =>
  writeTinyImageModel(folder, {
    architectures: ["CLIPModel"],
    model_type: "clip",
    projection_dim: 8,
    image_size: 16,
    text_config: tinyWords,
    vision_config: tinyPictures,
  });

/** Writes a BLIP of one class for pictures of 16 × 16, with random weights; returns the folder. */
export const writeTinyBlip = (folder: string, architecture: string): Promise<string> =>
  writeTinyImageModel(folder, {
    architectures: [architecture],
    model_type: "blip",
    image_size: 16,
    image_text_hidden_size: 8,
    text_config: { ...tinyWords, bos_token_id: 2, sep_token_id: 3 },
    vision_config: tinyPictures,
  });

/** One that matches texts with pictures. */
export const writeTinyMatcher = (folder: string): Promise<string> =>
  writeTinyBlip(folder, "BlipForImageTextRetrieval");

/** config.json of a Flamingo for at most 8 pictures of 16 × 16 with 3 frames; its gates are open. */
export const tinyFlamingo = {
  architectures: ["open-flamingo"],
  model_type: "open-flamingo",
  image_size: 16,
  media_token_id: tinyVocab.length,
  freeze_pretrained: true,
  text_config: { ...tinyGpt2, vocab_size: tinyVocab.length + 1 },
  vision: { image_resolution: 16, vision_patch_size: 8, vision_width: 16, vision_heads: 2, vision_layers: 1 },
  perceiver: {
    dim: 16,
    depth: 1,
    heads: 2,
    dim_head: 8,
    num_latents: 3,
    max_num_media: 8,
    max_num_frames: 3,
  },
  cross_attention: { heads: 2, dim_head: 8 },
};

/** Writes a Flamingo with random weights, its gates open and wide weights before them, so that pictures matter. */
export async function writeTinyFlamingo(folder: string): Promise<string> {
  await writeTinyImageModel(folder, tinyFlamingo);
  const path = join(folder, weightsFile);
  const weights = [...(await readSafetensors(path))].map(([name, tensor]): [string, Tensor] => {
    if (name.endsWith("_gate")) return [name, Tensor.from("float32", [1], [2])];
    if (!/\.to_(q|kv|out)\./.test(name)) return [name, tensor];
    const wide = tensor.toNumbers().map((value) => 3 * value);
    return [name, Tensor.from("float32", tensor.shape, wide)];
  });
  await writeSafetensors(path, weights, { format: "pt" });
  return folder;
}

/** A PNG file of one colour with noise. */
export function pngOf(side: number, seed: number): Promise<Buffer> {
  const size = { width: side, height: side };
  const random = new Random(seed);
  const raw = { ...size, channels: 3 as const };
  return sharp(noisyPicture(size, [90, 140, 60], random), { raw })
    .png()
    .toBuffer();
}
