/** `tesserae eval`: the metrics of a model on a data file. */

import type { Command } from "commander";
import { readConfig } from "../models/config.ts";
import { Catalog } from "../store/catalog.ts";
import { evaluate } from "../train/trainer.ts";
import { createCommand, runs, wholeNumber } from "./command.ts";
import { countKinds, noteData } from "./data-options.ts";
import { addEvaluationOptions, type EvaluationFlags, prepareEvaluationData } from "./evaluation-data.ts";
import { showMetric, showPairs } from "./format.ts";
import { showClasses } from "./show-classes.ts";

interface EvalOptions extends EvaluationFlags {
  readonly batchSize?: number;
  readonly threads?: number;
}

export function evalCommand(): Command {
  const command = createCommand("eval <model>", "Measure a model on labelled data.", [
    "eval reviews --data test.csv",
    "eval reviews@2 --data test.csv --json",
    "eval emoji-clip --data test.tar --label-column group --template '{}'",
  ])
    .argument("<model>", "name, name@version, or a folder")
    .option("--batch-size <number>", "examples of a batch; default: 32", wholeNumber(1))
    .option("--threads <number>", "threads of ONNX Runtime; default: all", wholeNumber(1));
  addEvaluationOptions(command);
  return runs<EvalOptions, [string]>(command, async ({ options, output }, ref) => {
    const { folder, ref: model } = await new Catalog().locate(ref);
    const config = await readConfig(folder);
    const { task, ...prepared } = await prepareEvaluationData(folder, config, options);
    noteData(output, prepared.badRows, prepared.truncated);
    const threads = options.threads === undefined ? {} : { threads: options.threads };
    const { metrics: outputMetrics, classReport } = await evaluate({
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
    const { name, badRows } = prepared;
    output.result(
      { model, task: name, items, badRows, badRowKinds: countKinds(badRows), metrics, ...classReport },
      [showPairs(rows), ...(classReport ? [showClasses(classReport)] : [])].join("\n\n"),
    );
    return 0;
  });
}
