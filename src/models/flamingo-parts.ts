/**
 * A Flamingo to be trained, out of models that are: the image tower of a CLIP and a GPT-2, which both stay as they are.
 * Alayrac et al. 2022, https://arxiv.org/abs/2204.14198, section 2
 */

import { join } from "node:path";
import { ConfigError, WeightError } from "../errors.ts";
import { parametersOf } from "../nn/module.ts";
import { arrayOf } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { openCheckpoint, weightsFile } from "../weights/checkpoint.ts";
import { writeSafetensors } from "../weights/safetensors.ts";
import { type ClipVisionConfig, clipVisionConfig } from "./clip-layers.ts";
import { openAiClipConfigSchema, openAiVision } from "./clip-openai.ts";
import { type ConfigJson, parseConfig } from "./config.ts";
import { gpt2ConfigSchema } from "./gpt2.ts";
import type { Architecture } from "./model.ts";
import { matchCheckpoint } from "./open.ts";
import { architectureFor, architectureOf } from "./registry.ts";

/** A model folder's config with where it lies. */
export interface FlamingoPart {
  readonly folder: string;
  readonly config: ConfigJson;
}

export interface FlamingoParts {
  readonly vision: FlamingoPart;
  readonly language: FlamingoPart;
}

/**
 * The config of a Flamingo over both parts. Its token for images is one behind the language model's vocabulary; what is
 * said of an image ends with the language model's own last token. Dropout of the frozen layers is off.
 * @throws ConfigError for parts that are no CLIP and no GPT-2.
 */
export function flamingoConfigOf({ vision, language }: FlamingoParts): ConfigJson {
  const { vocabSize, nPositions } = parseConfig(gpt2ConfigSchema, languageOf(language), language.folder);
  const tower = towerOf(vision);
  return {
    architectures: ["open-flamingo"],
    model: "open-flamingo",
    model_type: "open-flamingo",
    media_token_id: vocabSize,
    freeze_pretrained: true,
    text_config: {
      ...language.config,
      vocab_size: vocabSize + 1,
      n_positions: nPositions,
      resid_pdrop: 0,
      embd_pdrop: 0,
      attn_pdrop: 0,
    },
    perceiver: { dim: tower.hiddenSize },
    vision: openAiFields(tower),
  };
}

function languageOf({ folder, config }: FlamingoPart): ConfigJson {
  if (config.model_type === "gpt2" && typeof config.eos_token_id === "number") return config;
  throw new ConfigError(
    `${folder}: Flamingo's language model must be a GPT-2 whose config.json names eos_token_id, got ${config.model_type} with ${config.eos_token_id}`,
    { code: "unsupported" },
  );
}

/** The image tower of a CLIP, of its image tower alone, or of a CLIP in its authors' form. */
function towerOf({ folder, config }: FlamingoPart): ClipVisionConfig {
  const { modelType } = architectureOf(config, folder);
  if (modelType === "openai-clip-vit")
    return openAiVision(parseConfig(openAiClipConfigSchema, config, folder));
  const fields = modelType === "clip" ? (config.vision_config ?? {}) : config;
  if (modelType !== "clip" && modelType !== "clip_vision_model")
    throw new ConfigError(`${folder}: Flamingo's images must be read by a CLIP, got ${modelType}`, {
      code: "unsupported",
    });
  return parseConfig(clipVisionConfig, fields as ConfigJson, folder);
}

/** The fields of the authors' CLIP. @throws ConfigError for a tower that they cannot describe. */
function openAiFields(tower: ClipVisionConfig): ConfigJson {
  const { hiddenSize, intermediateSize, layerNormEps, numChannels } = tower;
  if (intermediateSize !== 4 * hiddenSize || layerNormEps !== 1e-5 || numChannels !== 3) {
    throw new ConfigError(
      `Flamingo: its image tower must have an intermediate_size of ${4 * hiddenSize}, a layer_norm_eps of 1e-5 and 3 channels, got ${intermediateSize}, ${layerNormEps} and ${numChannels}`,
      { code: "unsupported" },
    );
  }
  return {
    image_resolution: tower.imageSize,
    vision_layers: tower.numHiddenLayers,
    vision_width: hiddenSize,
    vision_patch_size: tower.patchSize,
    vision_heads: tower.numAttentionHeads,
    activation: tower.hiddenAct,
  };
}

/**
 * Writes the weights of both parts under a Flamingo's names; what lies between them is not there.
 * @throws WeightError when a part lacks weights.
 */
export async function writeFlamingoParts(
  folder: string,
  config: ConfigJson,
  { vision, language }: FlamingoParts,
): Promise<void> {
  const { names } = architectureOf(config);
  const tower = await weightsOf(vision, architectureOf(vision.config), "vision.");
  const words = await weightsOf(language, architectureFor("gpt2", "text-generation"), "");
  const own = [
    ...[...joined(tower)].map(([name, value]) => [`visionEncoder.${name.slice("vision.".length)}`, value]),
    ...[...withImageToken(words)].map(([name, value]) => [`language.${name}`, value]),
  ] as [string, Tensor][];
  const stored = own.map(([name, value]) => [names.toHub(name), value] as const);
  await writeSafetensors(join(folder, weightsFile), stored, { format: "pt" });
}

/** A checkpoint's weights under our names, those that begin with `prefix`. */
async function weightsOf(
  { folder, config }: FlamingoPart,
  architecture: Architecture,
  prefix: string,
): Promise<Map<string, Tensor>> {
  const checkpoint = await openCheckpoint(folder);
  try {
    const entries = matchCheckpoint(architecture, checkpoint);
    const names = [...parametersOf(architecture.build(config)).values()];
    const weights = new Map<string, Tensor>();
    for (const name of names.filter((each) => each.startsWith(prefix))) {
      const entry = entries.get(architecture.names.toHub(name));
      if (!entry) throw new WeightError(`${folder}: has no ${architecture.names.toHub(name)}`);
      weights.set(name, await checkpoint.read(entry.storedName));
    }
    return weights;
  } finally {
    await checkpoint.close();
  }
}

/** Projections to queries, keys and values in one, where they have one each. */
function joined(weights: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const result = new Map<string, Tensor>();
  for (const [name, value] of weights) {
    const [, layer, part, kind] = /^(.*\.attention)\.(query|key|value)\.(weight|bias)$/.exec(name) ?? [];
    if (part === undefined) result.set(name, value);
    if (part !== "query") continue;
    const parts = ["query", "key", "value"].map((each) => weights.get(`${layer}.${each}.${kind}`)!);
    result.set(`${layer}.joined.${kind}`, stacked(parts));
  }
  return result;
}

/** Tensors of one shape, one below the other. */
function stacked(parts: readonly Tensor[]): Tensor {
  const [{ dtype, shape, size }] = parts as [Tensor];
  const data = new (arrayOf(dtype))(parts.length * size) as Float32Array;
  for (const [at, part] of parts.entries()) data.set(part.data as Float32Array, at * size);
  return new Tensor(dtype, [parts.length * shape[0]!, ...shape.slice(1)], data);
}

/**
 * One more row of word vectors, for images: their mean, whose score is never the highest. Hewitt 2021,
 * https://www.cs.columbia.edu/~johnhew/vocab-expansion.html
 */
function withImageToken(weights: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const tables = ["transformer.word.weight", "head.weight"].filter((name) => weights.has(name));
  return new Map([...weights, ...tables.map((name) => [name, withMeanRow(weights.get(name)!)] as const)]);
}

/** [V, D] → float32 [V + 1, D]. */
function withMeanRow(table: Tensor): Tensor {
  const [rows, width] = table.shape as [number, number];
  const values = table.dtype === "float32" ? (table.data as Float32Array) : table.toNumbers();
  const mean = new Float64Array(width);
  for (let at = 0; at < values.length; at++) mean[at % width]! += values[at]! / rows;
  const data = new Float32Array((rows + 1) * width);
  data.set(values);
  data.set(mean, rows * width);
  return new Tensor("float32", [rows + 1, width], data);
}
