/** `tesserae predict`: a model's answers to texts, a file of texts, or standard input. */

import type { Command } from "commander";
import { RequestError } from "../errors.ts";
import type { GenerationOptions } from "../generation/options.ts";
import { Catalog } from "../store/catalog.ts";
import { openImageSource } from "../tasks/image-input.ts";
import { openForTask, releaseModel } from "../tasks/open-for-task.ts";
import type { Predictor } from "../tasks/predictor.ts";
import { predictor } from "../tasks/tasks.ts";
import { streamText } from "../tasks/text-generation.ts";
import { createCommand, runs, wholeNumber } from "./command.ts";
import { addDeviceOptions, type DeviceFlags, deviceOptions } from "./device-options.ts";
import { addGenerationOptions, type GenerationFlags, generationParameters } from "./generation-options.ts";
import { imageInputs, keepPicture } from "./image-inputs.ts";
import type { Output } from "./output.ts";
import { aboutPictures, addPictureOptions, type PictureFlags, pictureParameters } from "./picture-options.ts";
import { type PredictInput, readInputs } from "./predict-inputs.ts";
import { Progress } from "./progress.ts";
import { plainAnswer, showAnswer } from "./show-answer.ts";

interface PredictOptions extends DeviceFlags, GenerationFlags, PictureFlags {
  readonly patience?: number;
  /** Folder of pictures that are made. */
  readonly out?: string;
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
    'predict ./gpt2 "Once upon a time" --max-new-tokens 60 --sample --stream',
    "predict reviews new-reviews.txt --json",
    "predict fashion-vit photo.jpg more-photos/ --device webgpu",
    'predict ./clip photo.jpg --labels "a cat" "a dog"',
    'predict ./blip-vqa photo.jpg --question "How many people are there?"',
    'predict ./flamingo photo.jpg --shot cats.jpg="two cats" --shot dog.jpg="a dog"',
  ])
    .argument("<model>", "name, name@version, or a folder")
    .argument(
      "[input...]",
      "texts; a question and its context; a file with one on each line; - or none: standard input; pictures and folders of them",
    )
    .option("--top-k <number>", "answers to each input, best first; tokens to draw from", wholeNumber(1))
    .option(
      "--patience <number>",
      "early exit: classifiers in a row that must agree, 0 for all layers; default: the model's",
      wholeNumber(0),
    )
    .option("--out <folder>", "pictures: where those that a model makes go; default: .");
  addDeviceOptions(command);
  addPictureOptions(command);
  addGenerationOptions(command);
  return runs<PredictOptions, [string, string[]]>(command, async ({ options, output }, ref, args) => {
    const { folder } = await new Catalog().locate(ref);
    const { patience } = options;
    const model = await openForTask(folder, undefined, {
      ...deviceOptions(options),
      ...(patience !== undefined && { patience }),
    });
    try {
      const answers = predictor(model, { openImage: openImageSource });
      const isOfPictures = "preprocessor" in model;
      const inputs = isOfPictures
        ? aboutPictures(answers.task, await imageInputs(args), options)
        : await readInputs(answers.task, args);
      const parameters = { ...generationParameters(options), ...pictureParameters(answers.task, options) };
      if (options.stream && !output.isJson) {
        await streamAll(model, inputs, parameters, output);
      } else {
        const results = await ask(answers, inputs, parameters, output, options.out);
        if (output.isJson) output.result(results, "");
      }
    } finally {
      await releaseModel(model);
    }
    return 0;
  });
}

/** Each text with what follows it, printed as it comes. @throws RequestError for a model that does not continue texts. */
async function streamAll(
  model: Awaited<ReturnType<typeof openForTask>>,
  inputs: readonly PredictInput[],
  parameters: GenerationOptions,
  { stdout }: Output,
): Promise<void> {
  if (!("generator" in model) || model.architecture.task !== "text-generation") {
    throw new RequestError("predict: --stream needs a model that continues texts; leave it out");
  }
  for (const input of inputs) {
    const text = typeof input === "string" ? input : String(input.text);
    stdout.write(text);
    for await (const piece of streamText(model, text, parameters)) stdout.write(piece);
    stdout.write("\n");
  }
}

/** Answers in the order of the inputs, each printed as soon as it is known. */
async function ask(
  answers: Predictor,
  inputs: readonly PredictInput[],
  parameters: object,
  output: Output,
  folder = ".",
): Promise<Result[]> {
  const results: Result[] = [];
  const progress = new Progress(output, "predict", inputs.length, "inputs");
  try {
    for (let start = 0; start < inputs.length; start += chunkSize) {
      const chunk = inputs.slice(start, start + chunkSize);
      for (const [at, given] of (await answers.predict(chunk, parameters)).entries()) {
        const input = chunk[at]!;
        const answer = await keepPicture(given, input, folder);
        results.push({ input, output: plainAnswer(answer) });
        output.line(showAnswer(input, answer));
      }
      if (inputs.length > chunkSize) progress.update(results.length);
    }
  } finally {
    progress.finish();
  }
  return results;
}
