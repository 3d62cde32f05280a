/** Small folders of every encoder family with random weights, and their tokenizers. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ConfigJson } from "../../src/models/config.ts";
import { bertTokenizerJson } from "../../src/text/bert-vocab.ts";
import { Tokenizer } from "../../src/text/tokenizer.ts";
import { tinyTokenizer, tinyVocab, writeTinyModel } from "./tiny-model.ts";

const sizes: Readonly<Record<string, ConfigJson>> = {
  distilbert: { dim: 32, n_layers: 2, n_heads: 2, hidden_dim: 64, max_position_embeddings: 64 },
  roformer: {
    hidden_size: 32,
    embedding_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 64,
  },
  xlnet: { d_model: 32, n_layer: 2, n_head: 2, d_inner: 64 },
};

/** The families, by `model_type`. */
export const tinyEncoders = Object.keys(sizes);

/** The config.json of a 2-layer model. The wide weights make its answers differ clearly from each other. */
export const tinyEncoderConfig = (
  modelType: string,
  architecture: string,
  extra: ConfigJson = {},
): ConfigJson => ({
  architectures: [architecture],
  model_type: modelType,
  vocab_size: tinyVocab.length,
  initializer_range: 0.3,
  pad_token_id: 0,
  ...sizes[modelType],
  ...extra,
});

const special = (id: string, segment: number) => ({ SpecialToken: { id, type_id: segment } });
const text = (id: string, segment: number) => ({ Sequence: { id, type_id: segment } });

/** XLNet's frame: `A [SEP] B [SEP] [CLS]`, where [CLS] is of a segment of its own. */
const frameAtEnd = {
  type: "TemplateProcessing",
  single: [text("A", 0), special("[SEP]", 0), special("[CLS]", 2)],
  pair: [text("A", 0), special("[SEP]", 0), text("B", 1), special("[SEP]", 1), special("[CLS]", 2)],
  special_tokens: Object.fromEntries(
    ["[SEP]", "[CLS]"].map((id) => [id, { id, ids: [tinyVocab.indexOf(id)], tokens: [id] }]),
  ),
};

/** A tokenizer with the family's special tokens. */
export function tinyEncoderTokenizer(modelType: string): Tokenizer {
  if (modelType !== "xlnet") return tinyTokenizer();
  const json = bertTokenizerJson(tinyVocab.join("\n"), {}, "vocab.txt");
  return new Tokenizer({ ...json, post_processor: frameAtEnd }, { padding_side: "left" });
}

/** Writes config.json, tokenizer and model.safetensors; returns the folder. */
export async function writeTinyEncoder(folder: string, config: ConfigJson): Promise<string> {
  await writeTinyModel(folder, config);
  if (config.model_type === "xlnet") {
    await tinyEncoderTokenizer("xlnet").save(folder);
    await writeFile(join(folder, "vocab.txt"), "");
  }
  return folder;
}
