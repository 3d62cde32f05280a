/** A model with classifiers on its layers that stops when they agree, as a variant of it. */

import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { readConfig } from "../models/config.ts";
import { exitRuleOf } from "../models/early-exit.ts";
import { encodeModel, encodeStages, modelFile } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { openHere } from "../runtime/open-here.ts";
import { addVariant, type StoredVariant } from "../store/variants.ts";
import type { Dataset } from "../train/task.ts";
import { weightsFile } from "../weights/checkpoint.ts";
import { type GoldenBatch, writeGolden } from "./golden.ts";
import { feedsFor, goldenBatches } from "./sample-batches.ts";

/** Share of the largest logit by which another machine's may differ, when rows leave after the same layers. */
const tolerance = 1e-3;

/**
 * Adds the variant `exit-N` to a model's folder: a row is done when `patience` classifiers in a row agree.
 * @throws ConfigError for a model without such classifiers, or a patience below 1.
 */
export async function addEarlyExit(
  folder: string,
  patience: number,
  dataset: Dataset,
): Promise<StoredVariant> {
  const config = await readConfig(folder);
  const architecture = architectureOf(config, folder);
  const rule = exitRuleOf(architecture, config, patience);
  if (!rule) throw new ConfigError(`${folder}: early exit needs a patience from 1, got ${patience}`);
  const session = await openHere(await encodeStages(folder, rule));
  const golden: GoldenBatch[] = [];
  try {
    for (const batch of await goldenBatches(dataset)) {
      const inputs = feedsFor(session.inputs, batch);
      golden.push({ inputs, outputs: await session.run(inputs, ["logits"]) });
    }
  } finally {
    await session.release();
  }
  const fill = async (target: string): Promise<void> => {
    await copyFile(join(folder, weightsFile), join(target, weightsFile));
    await writeFile(join(target, modelFile), (await encodeModel(folder)).bytes);
    await writeGolden(target, golden);
  };
  const info = { kind: "early-exit", config: { pabee_patience: patience }, tolerance, metrics: {} };
  return addVariant(folder, `exit-${patience}`, fill, info);
}
