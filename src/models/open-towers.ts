/** Opening a folder of a model that compares images with texts: each tower is a session of its own. */

import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { exp } from "../graph/ops/math.ts";
import { unsqueeze } from "../graph/ops/shape.ts";
import { Context } from "../nn/context.ts";
import { openSession } from "../runtime/index.ts";
import type { Session, SessionOptions } from "../runtime/session.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { ImagePreprocessor } from "../vision/preprocess.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { isContrastive } from "./clip.ts";
import { type ConfigJson, readConfig } from "./config.ts";
import type { Architecture, Outputs } from "./model.ts";
import { encodeGraph, type SessionOpener } from "./open.ts";
import { architectureOf } from "./registry.ts";
import { targetOf } from "./target.ts";
import { declareInputs, storedNames, usedGraph } from "./trace.ts";

/** N texts or images, P features. */
export interface OpenTowers {
  readonly folder: string;
  readonly config: ConfigJson;
  readonly architecture: Architecture;
  readonly tokenizer: Tokenizer;
  readonly preprocessor: ImagePreprocessor;
  /** To `image_embeds` [N, P] of length 1. */
  readonly images: Session;
  /** To `text_embeds` [N, P] of length 1, and what makes similarities scores: `scale` [1] and perhaps `bias` [1]. */
  readonly texts: Session;
}

/** @throws ConfigError or WeightError when the folder is incomplete, damaged or not of a model with two towers. */
export async function openTowers(
  folder: string,
  options: SessionOptions = {},
  open: SessionOpener = openSession,
): Promise<OpenTowers> {
  const { target, settled } = await targetOf(options);
  const config = await readConfig(folder);
  const architecture = architectureOf(config, folder);
  const openOne = async (outputs: Outputs, inputs: readonly Node[], names: ReadonlyMap<Node, string>) => {
    const encoded = await encodeGraph(folder, architecture, usedGraph(outputs, inputs, names), { target });
    return open({ ...encoded, name: folder }, settled);
  };
  const { image, text, inputs, names } = describeTowers(architecture, config, folder);
  const [tokenizer, plan] = await Promise.all([loadTokenizer(folder), readPreprocessor(folder)]);
  const images = await openOne(image, inputs, names);
  try {
    const texts = await openOne(text, inputs, names);
    const preprocessor = new ImagePreprocessor(plan);
    return { folder, config, architecture, tokenizer, preprocessor, images, texts };
  } catch (error) {
    await images.release();
    throw error;
  }
}

/** Frees both sessions. */
export const releaseTowers = async ({ images, texts }: OpenTowers): Promise<void> => {
  await Promise.all([images.release(), texts.release()]);
};

interface TowerGraphs {
  readonly image: Outputs;
  readonly text: Outputs;
  readonly inputs: readonly Node[];
  readonly names: ReadonlyMap<Node, string>;
}

function describeTowers(architecture: Architecture, config: ConfigJson, where: string): TowerGraphs {
  const model = architecture.build(config);
  if (!isContrastive(model)) {
    throw new ConfigError(`${where}: ${architecture.name} does not compare images with texts; give a CLIP`, {
      code: "unsupported",
    });
  }
  const inputs = declareInputs(architecture.inputs(config));
  const { images, texts } = model.features(Context.inference(), inputs);
  const { logScale, bias } = model.scores;
  return {
    image: { image_embeds: images },
    text: {
      text_embeds: texts,
      scale: unsqueeze(exp(logScale), 0),
      ...(bias && { bias: unsqueeze(bias, 0) }),
    },
    inputs: Object.values(inputs),
    names: storedNames(architecture, model),
  };
}
