/** Fine-tuning at another image size than the checkpoint's: its positions are resampled once, when they are loaded. */

import { z } from "zod";
import { input } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { type ConfigJson, parseConfig } from "../models/config.ts";
import { gridOf, positionsFor, vitConfigSchema } from "../models/vit-layers.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import type { Tensor } from "../tensor/tensor.ts";

const families = ["vit", "deit"];
const tableName = /(^|\.)embeddings\.position_embeddings$/;

/** Whether a weight is a position table of pictures, which fits other sizes when it is resampled. */
export const isPictureTable = (config: ConfigJson, name: string): boolean =>
  families.includes(String(config.model_type)) && tableName.test(name);

const sizesSchema = z.object(
  (({ imageSize, patchSize, positionInterpolation }) => ({ imageSize, patchSize, positionInterpolation }))(
    vitConfigSchema.shape,
  ),
);

/**
 * A table [1, S + N, D] of a checkpoint for pictures of the size that `config` names; S special tokens keep theirs.
 * Dosovitskiy et al. 2021, section 3.2, https://arxiv.org/abs/2010.11929
 */
export async function fitPositions(table: Tensor, stored: ConfigJson, config: ConfigJson): Promise<Tensor> {
  const from = parseConfig(sizesSchema, stored, "checkpoint");
  const to = parseConfig(sizesSchema, config, "config.json");
  const trained = gridOf("checkpoint", from.imageSize, from.patchSize);
  const wanted = gridOf("config.json", to.imageSize, to.patchSize);
  const special = table.shape[1]! - trained[0] * trained[1];
  const node = input("table", table.dtype, table.shape);
  const positions = positionsFor(node, special, trained, wanted, to.positionInterpolation);
  const bytes = encodeOnnx({ inputs: [node], parameters: new Map(), outputs: { positions } });
  const session = await OrtSession.open({ bytes, name: "positions" }, { threads: 1 });
  try {
    return (await session.run({ table })).positions!;
  } finally {
    await session.release();
  }
}
