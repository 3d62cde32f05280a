/** Small encoder–decoders with random weights, over the vocabulary of the tiny BERT. */

import type { ConfigJson } from "../../src/models/config.ts";
import { tinyVocab } from "./tiny-model.ts";

const tokens = { vocab_size: tinyVocab.length, pad_token_id: 0, decoder_start_token_id: 0, eos_token_id: 3 };

/** The config.json of 2 + 2 layers. The wide weights make its answers differ clearly from each other. */
export const tinyTranslator = (extra: ConfigJson = {}): ConfigJson => ({
  architectures: ["TesseraeTransformerForConditionalGeneration"],
  model_type: "tesserae-transformer",
  ...tokens,
  hidden_size: 32,
  encoder_layers: 2,
  decoder_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 48,
  max_position_embeddings: 64,
  initializer_range: 0.3,
  ...extra,
});

export const tinyMarian = (extra: ConfigJson = {}): ConfigJson => ({
  architectures: ["MarianMTModel"],
  model_type: "marian",
  ...tokens,
  d_model: 32,
  encoder_layers: 2,
  encoder_attention_heads: 4,
  encoder_ffn_dim: 48,
  decoder_layers: 1,
  decoder_attention_heads: 2,
  decoder_ffn_dim: 40,
  max_position_embeddings: 64,
  init_std: 0.3,
  ...extra,
});

export const tinyT5 = (extra: ConfigJson = {}): ConfigJson => ({
  architectures: ["T5ForConditionalGeneration"],
  model_type: "t5",
  ...tokens,
  d_model: 32,
  d_kv: 12,
  d_ff: 40,
  num_layers: 2,
  num_decoder_layers: 1,
  num_heads: 2,
  relative_attention_num_buckets: 8,
  relative_attention_max_distance: 12,
  ...extra,
});
