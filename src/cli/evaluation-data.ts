/** Labelled data for a trained model of any kind; `eval` and `quantize` read it alike. */

import type { Command } from "commander";
import type { ConfigJson } from "../models/config.ts";
import { architectureOf } from "../models/registry.ts";
import { isImageTask, prepareImageEvaluation } from "../tasks/image-training.ts";
import { type PairTask, pairHeadOf, pairTasks, preparePairEvaluation } from "../tasks/pair-training.ts";
import { dataTaskOf, type PreparedEvaluation, prepareEvaluation } from "../tasks/tasks.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Dataset } from "../train/task.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { addDataOptions, type DataFlags, readOptions } from "./data-options.ts";
import { addPairOptions, type PairFlags, pairOptions } from "./pair-options.ts";

export interface EvaluationFlags extends DataFlags, PairFlags {
  readonly data: string;
  readonly imageColumn?: string;
  readonly template?: readonly string[];
}

export function addEvaluationOptions(command: Command): void {
  command
    .requiredOption("--data <file>", "labelled examples")
    .option("--image-column <name>", "pictures: column of paths; default: image, path, file …")
    .option(
      "--template <text...>",
      "pairs with labels, zero-shot: texts for each label, {} being the label; default: This is a photo of {}.",
    );
  addDataOptions(command);
  addPairOptions(command);
}

/** Data made ready, with the name of its task. */
export interface PreparedData extends Omit<PreparedEvaluation, "dataset"> {
  readonly name: string;
  readonly dataset: Dataset;
}

/** The data as the model's head wants it. @throws ConfigError when the file or its labels do not fit. */
export async function prepareEvaluationData(
  folder: string,
  config: ConfigJson,
  { data, ...flags }: EvaluationFlags,
): Promise<PreparedData> {
  const { task: head } = architectureOf(config, folder);
  const options = readOptions(flags);
  const pairTask = pairTasks.find((name) => pairHeadOf(name) === head);
  if (pairTask) return preparePairData(pairTask, folder, config, { data, ...flags });
  if (!isImageTask(head)) {
    const name = dataTaskOf(head);
    return { name, ...(await prepareEvaluation(name, data, config, await loadTokenizer(folder), options)) };
  }
  const plan = await readPreprocessor(folder);
  const prepared = await prepareImageEvaluation(head, data, config, plan, options);
  return { name: head, ...prepared, truncated: 0, answerMetrics: async () => ({}) };
}

async function preparePairData(
  name: PairTask,
  folder: string,
  config: ConfigJson,
  { data, maxLength, template, ...flags }: EvaluationFlags,
): Promise<PreparedData> {
  const model = { config, tokenizer: await loadTokenizer(folder), plan: await readPreprocessor(folder) };
  const options = { ...pairOptions(flags), ...(maxLength !== undefined && { maxLength }) };
  const prepared = await preparePairEvaluation(name, data, model, options);
  const answerMetrics: PreparedData["answerMetrics"] = (at, session) =>
    prepared.answerMetrics(at, { session, template });
  return { name, ...prepared, answerMetrics };
}
