/** `tesserae predict`: a model's answers to texts, a file of texts, or standard input. */

import type { Command } from "commander";
import { Catalog } from "../store/catalog.ts";
import { openForTask } from "../tasks/open-for-task.ts";
import type { Predictor } from "../tasks/predictor.ts";
import { predictor } from "../tasks/tasks.ts";
import { createCommand, runs, wholeNumber } from "./command.ts";
import type { Output } from "./output.ts";
import { type PredictInput, readInputs } from "./predict-inputs.ts";
import { Progress } from "./progress.ts";
import { plainAnswer, showAnswer } from "./show-answer.ts";

interface PredictOptions {
  readonly topK?: number;
  readonly threads?: number;
}

interface Result {
  readonly input: PredictInput;
  readonly output: unknown;
}

/** Inputs asked at a time: enough to fill batches, few enough that answers are seen early. */
const chunkSize = 256;

export function predictCommand(): Command {
  const command = createCommand("predict <model> [input...]", "Ask a model.", [
    'predict sst2 "A film that stays with you"',
    'predict squad "Who wrote it?" "The notes were written by Ada."',
    "predict reviews new-reviews.txt --json",
  ])
    .argument("<model>", "name, name@version, or a folder")
    .argument(
      "[input...]",
      "texts; a question and its context; a file with one on each line; - or none: standard input",
    )
    .option("--top-k <number>", "answers to each input, best first", wholeNumber(1))
    .option("--threads <number>", "threads of ONNX Runtime; default: all", wholeNumber(1));
  return runs<PredictOptions, [string, string[]]>(command, async ({ options, output }, ref, args) => {
    const { folder } = await new Catalog().locate(ref);
    const { threads, topK } = options;
    const model = await openForTask(folder, undefined, threads === undefined ? {} : { threads });
    try {
      const answers = predictor(model);
      const inputs = await readInputs(answers.task, args);
      const results = await ask(answers, inputs, topK === undefined ? {} : { top_k: topK }, output);
      if (output.isJson) output.result(results, "");
    } finally {
      await model.session.release();
    }
    return 0;
  });
}

/** Answers in the order of the inputs, each printed as soon as it is known. */
async function ask(
  answers: Predictor,
  inputs: readonly PredictInput[],
  parameters: object,
  output: Output,
): Promise<Result[]> {
  const results: Result[] = [];
  const progress = new Progress(output, "predict", inputs.length, "inputs");
  try {
    for (let start = 0; start < inputs.length; start += chunkSize) {
      const chunk = inputs.slice(start, start + chunkSize);
      for (const [at, answer] of (await answers.predict(chunk, parameters)).entries()) {
        results.push({ input: chunk[at]!, output: plainAnswer(answer) });
        output.line(showAnswer(chunk[at]!, answer));
      }
      if (inputs.length > chunkSize) progress.update(results.length);
    }
  } finally {
    progress.finish();
  }
  return results;
}
