/** `tesserae explain`: what a model looks at in a text, and which words its answer rests on. */

import { type Command, Option } from "commander";
import { RequestError } from "../errors.ts";
import { documentOf } from "../explain/document.ts";
import { type ExplainOptions, explain } from "../explain/explain.ts";
import { explanationHtml } from "../explain/html.ts";
import { pairTasks } from "../explain/pair-explain.ts";
import { showExplanation } from "../explain/terminal.ts";
import type { ExplainInput } from "../explain/tokens.ts";
import { readConfig } from "../models/config.ts";
import type { TaskName } from "../models/model.ts";
import { readsPictures, readsPicturesAlone } from "../models/picture-tasks.ts";
import { architectureOf } from "../models/registry.ts";
import { Catalog } from "../store/catalog.ts";
import { createCommand, runs, wholeNumber } from "./command.ts";
import { explainPicture } from "./explain-image.ts";
import { writeOut } from "./explain-output.ts";
import { explainPictureText, type PairExplainFlags } from "./explain-pair.ts";
import { hasColour, type Output } from "./output.ts";

interface ExplainFlags
  extends Pick<ExplainOptions, "target" | "at" | "steps" | "maxLength" | "threads">,
    Pick<PairExplainFlags, "out" | "task" | "layer"> {
  readonly image?: string;
  readonly text?: string;
}

/** What is explained, named by flags or by its place. */
interface Asked {
  readonly picture?: string | undefined;
  readonly text?: string | undefined;
  readonly second?: string | undefined;
}

export function explainCommand(): Command {
  const command = createCommand("explain <model> [input] [second]", "Show what a model's answer rests on.", [
    'explain sst2 "A film that stays with you" --out attention.html',
    'explain sst2 "Not bad at all" --target negative',
    'explain squad "Who wrote it?" "The notes were written by Ada." --json',
    "explain fashion-vit photo.jpg --out explanation.html",
    "explain emoji-blip --image photo.jpg --out caption.html",
    'explain emoji-clip --image photo.jpg --text "a red umbrella" --out match.png',
  ])
    .argument("<model>", "name, name@version, or a folder")
    .argument("[input]", "a text, a question, or a picture's file or address")
    .argument(
      "[second]",
      "the second text of a pair, the context of the question, or the text about the picture",
    )
    .option("--image <picture>", "the picture, in place of the first input")
    .option("--text <text>", "the text, in place of the next input")
    .option("--out <file>", "write an HTML page with all attention maps; of a picture also .png")
    .option("--target <target>", "label, token or answer to explain; default: the model's")
    .option("--at <position>", "token whose label or filling is explained, from 0", wholeNumber(0))
    .option(
      "--layer <number>",
      "layer of attention between text and picture; default: their mean",
      wholeNumber(1),
    )
    .addOption(
      new Option("--task <task>", "of a BLIP that does both; default: image-to-text").choices(pairTasks),
    )
    .option("--steps <number>", "points of integrated gradients; default: 32", wholeNumber(1))
    .option(
      "--max-length <tokens>",
      "most tokens that are read; default: what the model allows",
      wholeNumber(1),
    )
    .option("--threads <number>", "threads of ONNX Runtime; default: all", wholeNumber(1));
  return runs<ExplainFlags, [string, string | undefined, string | undefined]>(
    command,
    async ({ options, output }, model, ...given) => {
      const located = await new Catalog().locate(model);
      const { task } = architectureOf(await readConfig(located.folder), located.folder);
      const kind = kindOf(task);
      assertFlags(kind, options);
      const asked = askedOf(kind, given, options);
      if (kind === "words") await explainWords(task, located, asked, options, output);
      else if (kind === "picture") await explainPicture(located, asked.picture!, options, output);
      else await explainPictureText(located, { picture: asked.picture!, text: asked.text }, options, output);
      return 0;
    },
  );
}

/** What models read, and the flags that only theirs have. */
const kinds = {
  words: { reads: "texts", flags: ["target", "at", "maxLength"] },
  picture: { reads: "one picture", flags: ["target"] },
  pair: { reads: "a picture and a text", flags: ["task", "layer"] },
} as const;
type Kind = keyof typeof kinds;

const kindOf = (task: TaskName): Kind =>
  readsPicturesAlone(task) ? "picture" : readsPictures(task) ? "pair" : "words";

/** @throws RequestError for a flag of other models. */
function assertFlags(kind: Kind, options: ExplainFlags): void {
  const { reads, flags } = kinds[kind];
  const all = new Set(Object.values(kinds).flatMap(({ flags: some }) => some));
  for (const flag of all) {
    const isKnown = (flags as readonly string[]).includes(flag);
    if (options[flag] === undefined || isKnown) continue;
    const shown = flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new RequestError(`explain: this model reads ${reads}; leave out --${shown}`);
  }
}

/** @throws RequestError when what the model reads is missing, or there is more. */
function askedOf(kind: Kind, given: readonly (string | undefined)[], { image, text }: ExplainFlags): Asked {
  const places = given.filter((value) => value !== undefined);
  const asked = {
    picture: kind === "words" ? image : (image ?? places.shift()),
    text: kind === "picture" ? text : (text ?? places.shift()),
    second: kind === "words" ? places.shift() : undefined,
  };
  const isMissing = kind === "words" ? asked.text === undefined : asked.picture === undefined;
  const isTooMuch = kind === "words" ? asked.picture !== undefined : kind === "picture" && text !== undefined;
  if (!isMissing && !isTooMuch && places.length === 0) return asked;
  throw new RequestError(`explain: this model reads ${kinds[kind].reads}; give that and nothing else`);
}

async function explainWords(
  task: TaskName,
  { folder, ref }: { readonly folder: string; readonly ref: string },
  { text, second }: Asked,
  { out, target, at, steps, maxLength, threads }: ExplainFlags,
  output: Output,
): Promise<void> {
  if (text === undefined) throw new RequestError("explain: give the text that is explained");
  const explanation = await explain(folder, inputOf(task, text, second), {
    target,
    at,
    steps,
    maxLength,
    ...(threads !== undefined && { threads }),
  });
  if (out !== undefined) await writeOut(out, explanationHtml(ref, explanation));
  const page = out === undefined ? "" : `\n\nattention maps in ${out}`;
  const shown = showExplanation(explanation, hasColour(output.stdout));
  output.result(documentOf(explanation), `${shown}${page}`);
}

function inputOf(task: string, text: string, second: string | undefined): ExplainInput {
  if (second === undefined) return text;
  return task === "question-answering" ? { question: text, context: second } : { text, text_pair: second };
}
