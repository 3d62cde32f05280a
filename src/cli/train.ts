/** `tesserae train`: a data file and a model to start from become a version in the store. */

import { join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { tagSchemes } from "../models/tag-rules.ts";
import { imageTasks } from "../tasks/image-training.ts";
import { pairTasks } from "../tasks/pair-training.ts";
import { storeTrained } from "../tasks/store-trained.ts";
import { dataTasks } from "../tasks/tasks.ts";
import { schedules } from "../train/schedules.ts";
import { type FitResult, fit } from "../train/trainer.ts";
import {
  commandLine,
  createCommand,
  interruptSignal,
  numberFrom,
  type Run,
  runs,
  wholeNumber,
} from "./command.ts";
import { applyConfigFile } from "./config-file.ts";
import { addDataOptions } from "./data-options.ts";
import { fieldValue } from "./field-value.ts";
import { showMetrics } from "./format.ts";
import { addImageOptions, positiveShare } from "./image-options.ts";
import { addPairOptions } from "./pair-options.ts";
import { addTeacherOptions } from "./teacher-options.ts";
import { questionHeads, type TrainFlags } from "./train-flags.ts";
import { trainProgress } from "./train-progress.ts";
import { setUpTraining } from "./train-setup.ts";

export function trainCommand(): Command {
  const command = createCommand(
    "train [model]",
    "Train a model on a data file; the best one goes into the store.",
    [
      "train google-bert/bert-base-uncased --task text-classification --data reviews.csv --name reviews",
      "train bert-tiny --tokenizer ./vocab --task text-classification --data train.tsv --epochs 10",
      "train vit-small-patch16-224 --task image-classification --data photos/ --augment rand_augment=9",
      "train flamingo --vision-model ./clip --language-model ./gpt2 --task image-text-to-text --data pairs.tar",
      "train clip-vit-base-patch32 --train-tokenizer 8000 --task image-text-contrastive --data pairs.tar",
      "train --teacher reviews --layers 2 --task text-classification --data reviews.csv --name reviews-small",
      "train --config sst2.yaml --resume",
    ],
  )
    .argument(
      "[model]",
      "model in the store, folder, model on the hub, or a named size with --tokenizer or --teacher",
    )
    .option("--config <file>", "YAML file of any of these options, and model")
    .addOption(
      new Option("--task <task>", "what to train for").choices([...dataTasks, ...imageTasks, ...pairTasks]),
    )
    .option(
      "--data <path>",
      "training examples: a file, a folder of files, SOURCE,TARGET for translation, or pictures",
    )
    .option("--validation <path>", "validation examples; default: a tenth of --data")
    .option("--name <name>", "name in the store; default: the model's and the task's")
    .option(
      "--tokenizer <folder>",
      "tokenizer.json or vocab.txt, for a named size or instead of the model's own",
    )
    .option(
      "--train-tokenizer <size>",
      "learn a tokenizer of that many tokens from the text of --data",
      wholeNumber(1),
    )
    .option("--vision-model <model>", "flamingo: the CLIP whose image tower it looks with")
    .option("--language-model <model>", "flamingo: the GPT-2 that it writes with")
    .option("--whole-word-masking", "masked-lm, bert-pretraining: mask all pieces of a word together")
    .option("--crf", "token-classification: label whole sentences by a conditional random field")
    .addOption(
      new Option("--constraints <scheme>", "with --crf: predict only what the tagging scheme allows").choices(
        tagSchemes,
      ),
    )
    .addOption(
      new Option("--qa-head <name>", "question-answering: how spans are scored; default: span").choices(
        questionHeads,
      ),
    )
    .option(
      "--early-exit",
      "text- and image-classification: a classifier on every layer, to stop when they agree",
    )
    .option("--set <field=value>", "a field of config.json; may be repeated", fieldValue)
    .option("--output <folder>", "folder of the run; default: runs/NAME")
    .option("--resume", "go on from the newest checkpoint in the output folder");
  addDataOptions(command);
  addImageOptions(command);
  addPairOptions(command);
  addTeacherOptions(command);
  addTrainerOptions(command);
  return runs<TrainFlags & { config?: string }, [string | undefined]>(command, train);
}

export function addTrainerOptions(command: Command): void {
  command
    .option("--epochs <number>", "passes over the data; default: 3", wholeNumber(1))
    .option("--batch-size <number>", "examples of a batch; default: 32", wholeNumber(1))
    .option(
      "--micro-batch <number>",
      "image-text-contrastive: pairs of a batch encoded at once",
      wholeNumber(1),
    )
    .option("--gradient-accumulation <number>", "batches of one update; default: 1", wholeNumber(1))
    .option("--learning-rate <number>", "peak learning rate; default: 5e-5", numberFrom(0))
    .addOption(new Option("--schedule <name>", "default: linear").choices(Object.keys(schedules)))
    .option("--warmup <number>", "steps of warm-up, or their share when below 1; default: 0.1", numberFrom(0))
    .option("--weight-decay <number>", "default: 0.01", numberFrom(0))
    .option("--max-grad-norm <number>", "gradients are clipped to this norm; default: 1", numberFrom(0))
    .option(
      "--layer-decay <factor>",
      "learning rate from layer to layer downwards; default: 1",
      positiveShare,
    )
    .option("--freeze-encoder", "train the head alone")
    .option("--ema-decay <share>", "keep a moving average of the weights, and evaluate and save it", emaDecay)
    .option("--seed <number>", "seeds all that is drawn; default: 0", wholeNumber(0))
    .option(
      "--patience <number>",
      "evaluations without improvement before stopping; default: never",
      wholeNumber(1),
    )
    .option("--evaluate-every <steps>", "default: after every epoch", wholeNumber(1))
    .option("--save-every <steps>", "default: after every epoch", wholeNumber(1))
    .option("--keep-last <number>", "checkpoints kept; default: 2", wholeNumber(1))
    .option(
      "--max-bad-steps <number>",
      "steps in a row without a finite loss before stopping; default: 10",
      wholeNumber(1),
    )
    .addOption(
      new Option("--store-weights <dtype>", "of the saved model; default: float32").choices([
        "float32",
        "float16",
      ]),
    )
    .option("--threads <number>", "threads of ONNX Runtime; default: all", wholeNumber(1));
}

function emaDecay(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value < 1) return value;
  throw new InvalidArgumentError("It must be a number from 0 and below 1.");
}

async function train(
  { options, output, command }: Run<TrainFlags & { config?: string }>,
  given: string | undefined,
): Promise<number> {
  const inFile = options.config ? await applyConfigFile(command, options.config, "model") : undefined;
  const model = given ?? inFile;
  const setup = await setUpTraining(model, command.opts<TrainFlags>(), output);
  const { onEvent, finish } = trainProgress(output);
  const { signal, dispose } = interruptSignal(() =>
    output.note("\nstopping after this step; a checkpoint is kept"),
  );
  let result: FitResult;
  try {
    result = await fit(setup.run, { onEvent, signal });
  } finally {
    finish();
    dispose();
    await setup.release?.();
  }
  if (result.end === "interrupted") {
    const again = `${commandLine().replace(/ --resume\b/, "")} --resume`;
    output.result(
      { end: result.end, steps: result.steps, resume: again },
      `stopped after ${result.steps} steps; go on with: ${again}`,
    );
    return 1;
  }
  const { name, parent, run, dataFiles, flags } = setup;
  const lineage = { parent, command: commandLine(), config: { ...flags }, dataFiles };
  const { ref, folder, manifest } = await storeTrained(name, result, lineage);
  const { metrics, end, steps } = result;
  const report = join(run.output, "report.html");
  output.result(
    { ref, folder, end, steps, metrics, contentHash: manifest.contentHash, report },
    `${ref}: ${showMetrics(metrics)}; curves in ${report}`,
  );
  return 0;
}
