/** `tesserae capfilt`: captions for pictures, and only those that fit: a cleaned data set of image–text pairs. */

import { type Command, InvalidArgumentError } from "commander";
import { openImages } from "../data/images.ts";
import { captionColumnsIn } from "../data/pair-captions.ts";
import type { BadRow } from "../data/text-file.ts";
import { Catalog } from "../store/catalog.ts";
import { type CapFiltModels, judgeCaptions } from "../tasks/capfilt.ts";
import { CapFiltOutput, type CapFiltReport } from "../tasks/capfilt-output.ts";
import { ImageTextMatcher } from "../tasks/image-text-matcher.ts";
import { openCaptioner } from "../tasks/write-captions.ts";
import { createCommand, runs, wholeNumber } from "./command.ts";
import { countKinds, noteData } from "./data-options.ts";
import { showCount, showPairs } from "./format.ts";
import { addGenerationOptions, type GenerationFlags, generationParameters } from "./generation-options.ts";
import type { Output } from "./output.ts";
import { type PairFlags, pairOptions } from "./pair-options.ts";
import { Progress } from "./progress.ts";

interface CapFiltFlags extends GenerationFlags, PairFlags {
  readonly data: string;
  readonly out: string;
  readonly filter?: string;
  readonly captions: boolean;
  readonly threshold: number;
  readonly imageColumn?: string;
  readonly threads?: number;
}

export function capfiltCommand(): Command {
  const command = createCommand(
    "capfilt <model>",
    "Caption pictures and keep the captions that fit, new ones and old ones, as a data set.",
    [
      "capfilt emoji-blip --data noisy-pairs.tar --out cleaned",
      "capfilt ./blip-captioning --filter ./blip-itm --data photos/ --out captioned --sample --top-p 0.9",
      "capfilt ./blip-itm --no-captions --data pairs.jsonl --out filtered --threshold 0.3",
    ],
  )
    .argument("<model>", "what writes captions and judges them: name, name@version, or a folder")
    .requiredOption("--data <path>", "pictures, with captions or without")
    .requiredOption("--out <folder>", "the new data set: shards, report.json, dropped.jsonl")
    .option("--filter <model>", "what judges captions; default: the same model")
    .option("--no-captions", "write no captions, judge only those that are there")
    .option("--threshold <probability>", "least probability that a caption fits", probability, 0.5)
    .option("--image-column <name>", "column of paths; default: image, path, file …")
    .option(
      "--caption-column <names>",
      "columns or JSON fields with captions; default: captions, caption, text … where there is one",
      (text) => text.split(",").map((name) => name.trim()),
    )
    .option("--top-k <number>", "generation: tokens to draw from", wholeNumber(1))
    .option("--threads <number>", "threads of ONNX Runtime; default: all", wholeNumber(1));
  addGenerationOptions(command);
  return runs<CapFiltFlags, [string]>(command, async ({ options, output }, ref) => {
    const { models, refs, release } = await openModels(ref, options);
    try {
      const badRows: BadRow[] = [];
      const report = await clean(options, models, output, badRows, refs);
      output.result({ folder: options.out, ...report, badRows }, showReport(options.out, report));
    } finally {
      await release();
    }
    return 0;
  });
}

function probability(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError("It must be a number from 0 to 1.");
}

async function openModels(ref: string, { filter = ref, captions, threads, ...flags }: CapFiltFlags) {
  const catalog = new Catalog();
  const [writer, judge] = [await catalog.locate(ref), await catalog.locate(filter)];
  const session = threads === undefined ? {} : { threads };
  const matcher = await ImageTextMatcher.open(judge.folder, session);
  try {
    const captioner = captions ? await openCaptioner(writer.folder, session) : undefined;
    const models: CapFiltModels = { captioner, matcher, generation: generationParameters(flags) };
    const refs = { ...(captioner && { captioner: writer.ref }), filter: judge.ref };
    return {
      models,
      refs,
      release: async () => void (await Promise.all([matcher.release(), captioner?.release()])),
    };
  } catch (error) {
    await matcher.release();
    throw error;
  }
}

/** Judges everything and writes the folder; on failure there is none. */
async function clean(
  { data, out, threshold, ...flags }: CapFiltFlags,
  models: CapFiltModels,
  output: Output,
  badRows: BadRow[],
  refs: Readonly<Record<string, string>>,
): Promise<CapFiltReport> {
  const options = pairOptions(flags);
  const { examples, badRows: unread } = await openImages(data, options);
  badRows.push(...unread);
  const columns = captionColumnsIn(data, examples, options);
  const cleaned = await CapFiltOutput.create(out, columns, threshold);
  const progress = new Progress(output, "capfilt", examples.length, "pictures");
  let done = 0;
  try {
    for await (const judged of judgeCaptions(examples, columns, models)) {
      if ("captions" in judged) await cleaned.add(judged);
      else badRows.push(judged);
      progress.update(++done);
    }
    await cleaned.finish({ badRows: countKinds(badRows), ...refs });
  } catch (error) {
    await cleaned.discard();
    throw error;
  } finally {
    progress.finish();
  }
  noteData(output, badRows, 0);
  return cleaned.report;
}

function showReport(folder: string, { pictures, original, synthetic }: CapFiltReport): string {
  const of = ({ kept, judged }: { kept: number; judged: number }): string =>
    `${showCount(kept)} of ${showCount(judged)} kept`;
  return showPairs([
    ["pictures", of(pictures)],
    ["their captions", of(original)],
    ["new captions", of(synthetic)],
    ["data set", folder],
  ]);
}
