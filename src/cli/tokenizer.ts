/** `tesserae tokenizer train`: learns a tokeniser from text files. */

import { Command, Option } from "commander";
import { RequestError } from "../errors.ts";
import { type TokenizerTrainingOptions, trainTokenizer } from "../text/train-tokenizer.ts";
import { createCommand, runs, wholeNumber } from "./command.ts";
import { showCount } from "./format.ts";

export function tokenizerCommand(): Command {
  return new Command("tokenizer").description("Learn a tokeniser from a corpus.").addCommand(trainCommand());
}

interface TrainOptions {
  kind: "wordpiece" | "bpe" | "clip";
  vocabSize: number;
  minFrequency: number;
  special?: string[];
  cased?: boolean;
  keepAccents?: boolean;
  alphabetLimit?: number;
  out: string;
}

function trainCommand(): Command {
  const command = createCommand(
    "train <corpus...>",
    "Learn WordPiece, byte-level BPE or CLIP's lower-cased BPE and write tokenizer.json and tokenizer_config.json.",
    [
      "tokenizer train corpus/ --kind wordpiece --vocab-size 8000 --out vocab",
      "tokenizer train train.de.gz train.en.gz --kind bpe --special '<pad>,</s>' --out vocab",
    ],
  )
    .argument("<corpus...>", "text files, gzipped or not, and folders of them")
    .addOption(
      new Option("--kind <kind>", "how words are cut")
        .choices(["wordpiece", "bpe", "clip"])
        .default("wordpiece"),
    )
    .option("--vocab-size <tokens>", "most tokens, special ones included", wholeNumber(1), 8000)
    .option("--min-frequency <count>", "pairs that occur less often are not joined", wholeNumber(1), 2)
    .option("--special <tokens>", "special tokens, separated by commas", (text: string) => text.split(","))
    .option("--cased", "wordpiece: keep capital letters, and accents with them")
    .option("--keep-accents", "wordpiece: keep accents")
    .option("--alphabet-limit <count>", "wordpiece: most different characters", wholeNumber(1))
    .requiredOption("--out <folder>", "where the files are written");
  return runs<TrainOptions, [string[]]>(command, async ({ options, output }, corpus) => {
    const startMs = performance.now();
    const tokenizer = await trainTokenizer(corpus, trainingOptions(options));
    await tokenizer.save(options.out);
    const { vocabSize } = tokenizer;
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    output.result(
      { folder: options.out, kind: options.kind, vocabSize },
      `${options.out}: ${showCount(vocabSize)} tokens, learned in ${seconds} s`,
    );
    return 0;
  });
}

function trainingOptions({
  kind,
  vocabSize,
  minFrequency,
  ...options
}: TrainOptions): TokenizerTrainingOptions {
  if (kind === "clip") {
    if (!options.special) return { kind, vocabSize, minFrequency };
    throw new RequestError("tokenizer train: --special is not for clip, which has its own special tokens");
  }
  const common = { vocabSize, minFrequency, ...(options.special && { specialTokens: options.special }) };
  if (kind === "bpe") return { kind, ...common };
  return {
    kind,
    ...common,
    lowercase: !options.cased,
    ...(options.keepAccents && { stripAccents: false }),
    ...(options.alphabetLimit !== undefined && { alphabetLimit: options.alphabetLimit }),
  };
}
