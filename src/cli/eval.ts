/** `tesserae eval`: the metrics of a model on a data file. */

import type { Command } from "commander";
import { type ConfigJson, readConfig } from "../models/config.ts";
import { architectureOf } from "../models/registry.ts";
import { Catalog } from "../store/catalog.ts";
import { isImageTask, prepareImageEvaluation } from "../tasks/image-training.ts";
import { dataTaskOf, type PreparedEvaluation, prepareEvaluation } from "../tasks/tasks.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Dataset } from "../train/task.ts";
import { evaluate } from "../train/trainer.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { createCommand, runs, wholeNumber } from "./command.ts";
import { addDataOptions, type DataFlags, noteData, readOptions } from "./data-options.ts";
import { showMetric, showPairs } from "./format.ts";

interface EvalOptions extends DataFlags {
  readonly data: string;
  readonly batchSize?: number;
  readonly threads?: number;
}

export function evalCommand(): Command {
  const command = createCommand("eval <model>", "Measure a model on labelled data.", [
    "eval reviews --data test.csv",
    "eval reviews@2 --data test.csv --json",
  ])
    .argument("<model>", "name, name@version, or a folder")
    .requiredOption("--data <file>", "labelled examples")
    .option("--batch-size <number>", "examples of a batch; default: 32", wholeNumber(1))
    .option("--threads <number>", "threads of ONNX Runtime; default: all", wholeNumber(1));
  addDataOptions(command);
  return runs<EvalOptions, [string]>(command, async ({ options, output }, ref) => {
    const { folder, ref: model } = await new Catalog().locate(ref);
    const config = await readConfig(folder);
    const { task, ...prepared } = await prepareData(folder, config, options);
    noteData(output, prepared.badRows, prepared.truncated);
    const threads = options.threads === undefined ? {} : { threads: options.threads };
    const outputMetrics = await evaluate({
      config,
      weightsFolder: folder,
      task,
      dataset: prepared.dataset,
      ...(options.batchSize !== undefined && { batchSize: options.batchSize }),
      ...threads,
    });
    const metrics = { ...outputMetrics, ...(await prepared.answerMetrics(folder, threads)) };
    const items = prepared.dataset.lengths.length;
    const rows = Object.entries(metrics).map(([name, value]) => [name, showMetric(value)] as const);
    output.result({ model, task: prepared.name, items, badRows: prepared.badRows, metrics }, showPairs(rows));
    return 0;
  });
}

/** The data as the model's head wants it. @throws ConfigError when the file or its labels do not fit. */
async function prepareData(
  folder: string,
  config: ConfigJson,
  { data, ...flags }: EvalOptions,
): Promise<Omit<PreparedEvaluation, "dataset"> & { readonly name: string; readonly dataset: Dataset }> {
  const { task: head } = architectureOf(config, folder);
  const options = readOptions(flags);
  if (!isImageTask(head)) {
    const name = dataTaskOf(head);
    return { name, ...(await prepareEvaluation(name, data, config, await loadTokenizer(folder), options)) };
  }
  const plan = await readPreprocessor(folder);
  const prepared = await prepareImageEvaluation(head, data, config, plan, options);
  return { name: head, ...prepared, truncated: 0, answerMetrics: async () => ({}) };
}
