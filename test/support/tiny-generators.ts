/** Small models with random weights that generate, for tests that run the real thing. */

import type { ConfigJson } from "../../src/models/config.ts";
import { tinyVocab } from "./tiny-model.ts";

/** A 2-layer GPT-2 over the tiny vocabulary; `[SEP]` ends a text. Its wide weights make tokens differ clearly. */
export const tinyGpt2: ConfigJson = {
  architectures: ["GPT2LMHeadModel"],
  model_type: "gpt2",
  vocab_size: tinyVocab.length,
  n_embd: 32,
  n_layer: 2,
  n_head: 2,
  n_positions: 160,
  initializer_range: 0.3,
  bos_token_id: 2,
  eos_token_id: 3,
};

/** A translation model of 2 + 2 layers over the tiny vocabulary. */
export const tinyMarian: ConfigJson = {
  architectures: ["MarianMTModel"],
  model_type: "marian",
  vocab_size: tinyVocab.length,
  d_model: 32,
  encoder_layers: 2,
  decoder_layers: 2,
  encoder_attention_heads: 2,
  decoder_attention_heads: 2,
  encoder_ffn_dim: 64,
  decoder_ffn_dim: 64,
  max_position_embeddings: 160,
  init_std: 0.3,
  pad_token_id: 0,
  decoder_start_token_id: 0,
  eos_token_id: 3,
};
