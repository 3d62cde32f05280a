/** A model folder that transformers.js loads as it is: config, tokenizer, preprocessor and `onnx/`. */

import { existsSync } from "node:fs";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { type ConfigJson, parseConfig } from "../models/config.ts";
import { gpt2ConfigSchema } from "../models/gpt2.ts";
import { marianConfigSchema } from "../models/marian.ts";
import type { Architecture, TaskName } from "../models/model.ts";
import { architectureFor } from "../models/registry.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import { preprocessorFile } from "../vision/preprocessor-config.ts";
import { sharedFolder } from "../weights/variant-folder.ts";
import type { Precision } from "./assemble.ts";
import { clipGraphs, type FilePlan, generationGraphs, wholeGraph } from "./model-graphs.ts";

const encoderTasks: readonly TaskName[] = [
  "text-classification",
  "token-classification",
  "question-answering",
  "fill-mask",
  "feature-extraction",
  "sentence-similarity",
];

/** What transformers.js has classes for, by `model_type`. */
const supported: Readonly<Record<string, readonly TaskName[]>> = {
  bert: encoderTasks,
  distilbert: encoderTasks,
  roformer: encoderTasks,
  vit: ["image-classification", "image-feature-extraction"],
  deit: ["image-classification", "image-feature-extraction"],
  swin: ["image-classification", "image-feature-extraction"],
  mobilevit: ["image-classification", "image-feature-extraction"],
  clip: ["zero-shot-image-classification"],
  gpt2: ["text-generation"],
  marian: ["translation"],
};

/** What transformers.js puts behind a file's name. */
export const fileSuffixes: Readonly<Record<Precision, string>> = {
  fp32: "",
  fp16: "_fp16",
  q8: "_quantized",
  q4: "_q4",
};

/** The files of a model. @throws ConfigError, code unsupported, for a model that transformers.js does not know. */
export function transformersJsGraphs(architecture: Architecture, config: ConfigJson): FilePlan[] {
  const { modelType, task, variant, name } = architecture;
  if (variant || !supported[modelType]?.includes(task)) {
    const reason = variant ? `has no class with ${variant}` : `has no ${task} for ${modelType}`;
    throw new ConfigError(`export: transformers.js ${reason} (${name}); use --format onnx`, {
      code: "unsupported",
    });
  }
  if (modelType === "clip") return clipGraphs(architecture, config);
  const generates = task === "text-generation" || task === "translation";
  return generates ? generationGraphs(architecture, config) : [wholeGraph(architecture, config)];
}

/** Writes all files but the graphs; `dataFiles` are those graphs whose weights lie in a file of their own. */
export async function writeTransformersJsFiles(
  out: string,
  folder: string,
  architecture: Architecture,
  config: ConfigJson,
  dataFiles: readonly string[],
): Promise<void> {
  await mkdir(out, { recursive: true });
  const whole = { ...completeConfig(architecture, config), ...dataFileConfig(dataFiles) };
  await writeFile(join(out, "config.json"), JSON.stringify(whole, null, 2));
  const shared = sharedFolder(folder);
  for (const file of [preprocessorFile, "generation_config.json"]) {
    if (existsSync(join(shared, file))) await copyFile(join(shared, file), join(out, file));
  }
  if (!architecture.task.startsWith("image-")) await (await loadTokenizer(folder)).saveJson(out);
}

/** transformers.js knows no defaults of what it reads: how many layers have a cache, whether there is an encoder. */
function completeConfig({ modelType, task, name }: Architecture, config: ConfigJson): ConfigJson {
  if (modelType === "gpt2") {
    const { nLayer: n_layer, nHead: n_head, nEmbd: n_embd } = parseConfig(gpt2ConfigSchema, config, name);
    return { ...config, n_layer, n_head, n_embd };
  }
  if (modelType === "marian") {
    const { encoderLayers, decoderLayers } = parseConfig(marianConfigSchema, config, name);
    return {
      ...config,
      encoder_layers: encoderLayers,
      decoder_layers: decoderLayers,
      is_encoder_decoder: true,
    };
  }
  if (task !== "sentence-similarity") return config;
  return { ...config, architectures: [architectureFor(modelType, "feature-extraction").name] };
}

const dataFileConfig = (dataFiles: readonly string[]): ConfigJson =>
  dataFiles.length === 0
    ? {}
    : {
        "transformers.js_config": {
          use_external_data_format: Object.fromEntries(dataFiles.map((name) => [name, 1])),
        },
      };
