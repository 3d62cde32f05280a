/** Opening a folder of a model that tells whether a text is about an image: a session for each thing it does. */

import { ConfigError } from "../errors.ts";
import { input, type Node } from "../graph/node.ts";
import { Context } from "../nn/context.ts";
import { openSession } from "../runtime/index.ts";
import type { Session, SessionOptions } from "../runtime/session.ts";
import { symbol } from "../tensor/dims.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { ImagePreprocessor } from "../vision/preprocess.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { BlipForImageTextRetrieval } from "./blip.ts";
import { type ConfigJson, readConfig } from "./config.ts";
import type { Architecture, Outputs } from "./model.ts";
import { encodeGraph, type SessionOpener } from "./open.ts";
import { architectureOf } from "./registry.ts";
import { targetOf } from "./target.ts";
import { declareInputs, storedNames, usedGraph } from "./trace.ts";

const retrievalClass = "BlipForImageTextRetrieval";

/** Whether the weights of a folder with this config are those of a matcher too. */
export const isMatcher = ({ architectures }: ConfigJson): boolean =>
  Array.isArray(architectures) && architectures.includes(retrievalClass);

/** The config of the matcher over those weights. */
export const asMatcher = (config: ConfigJson): ConfigJson => ({ ...config, architectures: [retrievalClass] });

/** B images or texts, S tokens of an image, D its width, E features. */
export interface OpenMatcher {
  readonly folder: string;
  readonly config: ConfigJson;
  readonly architecture: Architecture;
  readonly tokenizer: Tokenizer;
  readonly preprocessor: ImagePreprocessor;
  /** `pixel_values` → `image_embeds` [B, S, D] and `image_features` [B, E] of length 1. */
  readonly images: Session;
  /** `input_ids` and `attention_mask` → `text_features` [B, E] of length 1. */
  readonly texts: Session;
  /** `image_embeds` [B, S, D], `input_ids` and `attention_mask` → `itm_logits` [B, 2], the second: they match. */
  readonly pairs: Session;
}

/** @throws ConfigError or WeightError when the folder is incomplete, damaged or not of a matcher. */
export async function openMatcher(
  folder: string,
  options: SessionOptions = {},
  open: SessionOpener = openSession,
): Promise<OpenMatcher> {
  const config = await readConfig(folder);
  if (!isMatcher(config)) {
    throw new ConfigError(`${folder}: does not match texts with images; give a ${retrievalClass}`, {
      code: "unsupported",
    });
  }
  const { target, settled } = await targetOf(options);
  const architecture = architectureOf(asMatcher(config));
  const [tokenizer, plan] = await Promise.all([loadTokenizer(folder), readPreprocessor(folder)]);
  const sessions: Session[] = [];
  try {
    for (const graph of describe(architecture, config)) {
      const encoded = await encodeGraph(folder, architecture, graph, { target });
      sessions.push(await open({ ...encoded, name: folder }, settled));
    }
  } catch (error) {
    await releaseAll(sessions);
    throw error;
  }
  const [images, texts, pairs] = sessions as [Session, Session, Session];
  const preprocessor = new ImagePreprocessor(plan);
  return { folder, config, architecture, tokenizer, preprocessor, images, texts, pairs };
}

/** Frees all sessions. */
export const releaseMatcher = ({ images, texts, pairs }: OpenMatcher): Promise<void> =>
  releaseAll([images, texts, pairs]);

async function releaseAll(sessions: readonly Session[]): Promise<void> {
  await Promise.all(sessions.map((session) => session.release()));
}

/** The graphs of images, of texts and of pairs. */
function describe(architecture: Architecture, config: ConfigJson) {
  const model = architecture.build(config);
  if (!(model instanceof BlipForImageTextRetrieval))
    throw new ConfigError(`${architecture.name}: is no matcher`);
  const names = storedNames(architecture, model);
  const inputs = declareInputs(architecture.inputs(config));
  const ctx = Context.inference();
  const { image_embeds, image_features } = model.readImages(ctx, inputs);
  const { text_features } = model.readTexts(ctx, inputs);
  const seen = input("image_embeds", "float32", [symbol("batch"), ...image_embeds!.shape.slice(1)]);
  const { itm_logits } = model.match(ctx, { ...inputs, image_embeds: seen });
  const all: Node[] = [...Object.values(inputs), seen];
  const graph = (outputs: Outputs) => usedGraph(outputs, all, names);
  return [
    graph({ image_embeds: image_embeds!, image_features: image_features! }),
    graph({ text_features: text_features! }),
    graph({ itm_logits: itm_logits! }),
  ];
}
