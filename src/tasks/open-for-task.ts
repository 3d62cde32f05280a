/** Opening a model folder for the task in hand. */

import { readConfig } from "../models/config.ts";
import { type OpenModel, openModel, type SessionOpener } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { checkModelFile } from "./check-model-file.ts";
import { lastHiddenState } from "./feature-extraction.ts";

/**
 * Opens a model folder for a task. A model with another head gives features too, from its last layer.
 * @throws ConfigError or WeightError when the folder is incomplete, damaged or of an unknown architecture.
 */
export async function openForTask(
  folder: string,
  task: string | undefined,
  options: SessionOptions = {},
  open?: SessionOpener,
): Promise<OpenModel> {
  const config = await readConfig(folder);
  const isOtherHead = task === "feature-extraction" && architectureOf(config, folder).task !== task;
  if (isOtherHead) return openModel(folder, { ...options, capture: [lastHiddenState(config)] }, open);
  await checkModelFile(folder);
  return openModel(folder, options, open);
}
