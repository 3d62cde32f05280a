/** `tesserae eval`: the metrics of a model on a data file. */

import type { Command } from "commander";
import { readConfig } from "../models/config.ts";
import { architectureOf } from "../models/registry.ts";
import { Catalog } from "../store/catalog.ts";
import { dataTaskOf, prepareEvaluation } from "../tasks/tasks.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import { evaluate } from "../train/trainer.ts";
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
    const task = dataTaskOf(architectureOf(config, folder).task);
    const tokenizer = await loadTokenizer(folder);
    const prepared = await prepareEvaluation(task, options.data, config, tokenizer, readOptions(options));
    noteData(output, prepared.badRows, prepared.truncated);
    const threads = options.threads === undefined ? {} : { threads: options.threads };
    const outputMetrics = await evaluate({
      config,
      weightsFolder: folder,
      task: prepared.task,
      dataset: prepared.dataset,
      ...(options.batchSize !== undefined && { batchSize: options.batchSize }),
      ...threads,
    });
    const metrics = { ...outputMetrics, ...(await prepared.answerMetrics(folder, threads)) };
    const items = prepared.dataset.lengths.length;
    const rows = Object.entries(metrics).map(([name, value]) => [name, showMetric(value)] as const);
    output.result({ model, task, items, badRows: prepared.badRows, metrics }, showPairs(rows));
    return 0;
  });
}
