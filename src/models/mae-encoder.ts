/** The encoder of a pretrained MAE as a ViT, to be fine-tuned or probed. He et al. 2022, https://arxiv.org/abs/2111.06377 */

import type { ConfigJson } from "./config.ts";

/** Fields of MAE's decoder and of its masking. */
const pretrainingField = /^(decoder_|mask_ratio$|norm_pix_loss$)/;

/**
 * The config of a ViT with the weights of a `ViTMAEForPreTraining`, whose names are the same. As in the paper, a
 * classifier reads the mean of the patches. Other configs stay as they are.
 */
export function vitOfMae(config: ConfigJson): ConfigJson {
  if (config.model_type !== "vit_mae") return config;
  const kept = Object.entries(config).filter(([name]) => !pretrainingField.test(name));
  return { pooling: "mean", ...Object.fromEntries(kept), model_type: "vit" };
}
