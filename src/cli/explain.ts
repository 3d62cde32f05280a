/** `tesserae explain`: what a model looks at in a text, and which words its answer rests on. */

import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { ConfigError, RequestError } from "../errors.ts";
import { documentOf } from "../explain/document.ts";
import { type ExplainOptions, explain } from "../explain/explain.ts";
import { explanationHtml } from "../explain/html.ts";
import { showExplanation } from "../explain/terminal.ts";
import type { ExplainInput } from "../explain/tokens.ts";
import { readConfig } from "../models/config.ts";
import { readsPicturesAlone } from "../models/picture-tasks.ts";
import { architectureOf } from "../models/registry.ts";
import { Catalog } from "../store/catalog.ts";
import { createCommand, runs, wholeNumber } from "./command.ts";
import { explainPicture } from "./explain-image.ts";
import { hasColour } from "./output.ts";

interface ExplainFlags extends Pick<ExplainOptions, "target" | "at" | "steps" | "maxLength" | "threads"> {
  readonly out?: string;
}

export function explainCommand(): Command {
  const command = createCommand("explain <model> <text> [second]", "Show what a model's answer rests on.", [
    'explain sst2 "A film that stays with you" --out attention.html',
    'explain sst2 "Not bad at all" --target negative',
    'explain squad "Who wrote it?" "The notes were written by Ada." --json',
    "explain fashion-vit photo.jpg --out explanation.html",
  ])
    .argument("<model>", "name, name@version, or a folder")
    .argument("<text>", "a text, a question, or a picture's file or address")
    .argument("[second]", "the second text of a pair, or the context of the question")
    .option("--out <file>", "write an HTML page with all attention maps; of a picture also .png")
    .option("--target <target>", "label, token or answer to explain; default: the model's")
    .option("--at <position>", "token whose label or filling is explained, from 0", wholeNumber(0))
    .option("--steps <number>", "points of integrated gradients; default: 32", wholeNumber(1))
    .option(
      "--max-length <tokens>",
      "most tokens that are read; default: what the model allows",
      wholeNumber(1),
    )
    .option("--threads <number>", "threads of ONNX Runtime; default: all", wholeNumber(1));
  return runs<ExplainFlags, [string, string, string | undefined]>(
    command,
    async ({ options, output }, model, text, second) => {
      const { folder, ref } = await new Catalog().locate(model);
      const { out, target, at, steps, maxLength, threads } = options;
      const { task } = architectureOf(await readConfig(folder), folder);
      if (readsPicturesAlone(task)) {
        assertOfPictures(second, at, maxLength);
        await explainPicture({ folder, ref }, text, options, output);
        return 0;
      }
      const input = inputOf(task, text, second);
      const explanation = await explain(folder, input, {
        target,
        at,
        steps,
        maxLength,
        ...(threads !== undefined && { threads }),
      });
      if (out !== undefined) await writePage(out, explanationHtml(ref, explanation));
      const page = out === undefined ? "" : `\n\nattention maps in ${out}`;
      output.result(
        documentOf(explanation),
        `${showExplanation(explanation, hasColour(output.stdout))}${page}`,
      );
      return 0;
    },
  );
}

/** @throws RequestError for what only texts have. */
function assertOfPictures(second: unknown, at: unknown, maxLength: unknown): void {
  if (second === undefined && at === undefined && maxLength === undefined) return;
  throw new RequestError("explain: this model reads one picture; leave out a second, --at and --max-length");
}

function inputOf(task: string, text: string, second: string | undefined): ExplainInput {
  if (second === undefined) return text;
  return task === "question-answering" ? { question: text, context: second } : { text, text_pair: second };
}

async function writePage(path: string, html: string): Promise<void> {
  try {
    await writeFile(path, html);
  } catch (cause) {
    throw new ConfigError(`${path}: cannot be written (${(cause as Error).message})`, { cause });
  }
}
