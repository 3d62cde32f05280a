/** What training on pictures starts from: a model that is there, or a named size with random weights. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ConfigJson, parseJsonObject, readConfig } from "../models/config.ts";
import { cvtConfigs } from "../models/cvt-architectures.ts";
import { maeConfigs } from "../models/mae-architectures.ts";
import { vitOfMae } from "../models/mae-encoder.ts";
import { mobileVitConfigs } from "../models/mobilevit-architectures.ts";
import { swinConfigs } from "../models/swin-architectures.ts";
import { t2tVitConfigs } from "../models/t2t-vit.ts";
import { deitConfigs, vitConfigs } from "../models/vit-architectures.ts";
import type { ImageTask } from "../tasks/image-training.ts";
import { preprocessorFile } from "../vision/preprocessor-config.ts";
import { weightsFile, weightsIndexFile } from "../weights/checkpoint.ts";
import { findFolder, ofFamily } from "./initial-model.ts";

export interface InitialImageModel {
  /** config.json without what a task adds. */
  readonly config: ConfigJson;
  /** A checkpoint; without one all weights are drawn. */
  readonly weightsFolder?: string;
  /** Its `preprocessor_config.json`. */
  readonly preprocessor?: ConfigJson;
  /** Where it came from, for the lineage. */
  readonly parent: string;
}

/** Sizes that train from random weights. */
const namedConfigs: ReadonlyMap<string, ConfigJson> = new Map([
  ...ofFamily("vit", vitConfigs),
  ...ofFamily("deit", deitConfigs),
  ...ofFamily("vit_mae", maeConfigs),
  ...ofFamily("swin", swinConfigs),
  ...ofFamily("mobilevit", mobileVitConfigs),
  ...ofFamily("cvt", cvtConfigs),
  ...ofFamily("t2t-vit", t2tVitConfigs),
]);

/**
 * A named size, or a model in the store, in a folder or on the hub; a folder without weights starts from random ones. A
 * classifier that starts from a pretrained MAE is a ViT.
 * @throws ConfigError that says what names there are.
 */
export async function initialImageModel(name: string, task: ImageTask): Promise<InitialImageModel> {
  const named = namedConfigs.get(name);
  if (named) return { config: named, parent: `${name} with random weights` };
  const { folder: _, ...found } = await foundImageModel(name, [...namedConfigs.keys()]);
  return { ...found, config: task === "image-classification" ? vitOfMae(found.config) : found.config };
}

/** A model with its preprocessor, where it has one. `sizes`: names that may have been meant. */
export async function foundImageModel(
  name: string,
  sizes: readonly string[],
): Promise<InitialImageModel & { readonly folder: string }> {
  const { folder, parent } = await findFolder(name, sizes);
  const hasWeights = [weightsFile, weightsIndexFile].some((file) => existsSync(join(folder, file)));
  const path = join(folder, preprocessorFile);
  return {
    folder,
    config: await readConfig(folder),
    parent,
    ...(hasWeights && { weightsFolder: folder }),
    ...(existsSync(path) && { preprocessor: parseJsonObject(await readFile(path, "utf8"), path) }),
  };
}
