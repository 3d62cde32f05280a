/** A config of the same family with narrower layers. */

import { ConfigError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";

interface WidthFields {
  readonly width: string;
  readonly inner: string;
  readonly heads: string;
}

const usual: WidthFields = {
  width: "hidden_size",
  inner: "intermediate_size",
  heads: "num_attention_heads",
};

/** The fields of config.json that say how wide a family's layers are. */
const widthFields: Readonly<Record<string, WidthFields>> = {
  bert: usual,
  roformer: usual,
  vit: usual,
  deit: usual,
  distilbert: { width: "dim", inner: "hidden_dim", heads: "n_heads" },
  xlnet: { width: "d_model", inner: "d_inner", heads: "n_head" },
};

/** The inner width shrinks in proportion; heads keep their size. @throws ConfigError when that cannot be. */
export function narrowerConfig(config: ConfigJson, width: number): ConfigJson {
  const fields = widthFields[String(config.model_type)];
  if (!fields)
    throw new ConfigError(
      `compress: widths can be chosen for ${Object.keys(widthFields).join(", ")}, not for ${config.model_type}; leave --widths out`,
    );
  const [full, inner, heads] = [fields.width, fields.inner, fields.heads].map((name) => Number(config[name]));
  const ownHeads = Math.max(1, Math.round((heads! * width) / full!));
  if (!(width <= full!) || width % ownHeads !== 0)
    throw new ConfigError(
      `compress: width ${width} must be at most the teacher's ${full} and divide into ${ownHeads} heads`,
    );
  return {
    ...config,
    [fields.width]: width,
    [fields.inner]: Math.round((inner! * width) / full!),
    [fields.heads]: ownHeads,
  };
}
