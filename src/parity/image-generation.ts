/** What cases of captions, answers about images and Flamingo expect to be generated: ids, the prompt's included. */

import { LocalGenerator, type Prompt } from "../generation/generator.ts";
import type { GenerationOptions } from "../generation/options.ts";
import type { Source } from "../generation/source.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type CaseRunner, inputOf, type ParityCase } from "./case.ts";

/** What encoders read; each takes of it what it knows. */
const sourceNames = ["pixel_values", "input_ids", "attention_mask", "vision_features"];

/** One generation: the end of its name among the expected tensors, and what it begins with. */
interface Beginning {
  readonly ending: string;
  readonly row: number;
  /** Default: the token that the model begins with. */
  readonly ids?: readonly number[];
}

/** `<run>_ids<ending>` [1, T] for every run of `params.generate`; every row is generated alone. */
export const runImageGeneration: CaseRunner = async (parityCase) => {
  const { params, folder } = parityCase;
  const results = new Map<string, Tensor>();
  if (!params.generate) return results;
  const generator = await LocalGenerator.open(folder);
  const bos = generator.defaults.bos_token_id ?? 0;
  try {
    for (const [name, options] of runsOf(params.generate)) {
      for (const { ending, row, ids = [bos] } of beginningsOf(parityCase, bos)) {
        const prompt: Prompt = { ids, source: sourceOf(parityCase, row) };
        const [answers] = await generator.generate([prompt], options);
        const all = [...ids, ...answers![0]!.ids];
        results.set(`${name}_ids${ending}`, Tensor.from("int64", [1, all.length], all));
      }
    }
  } finally {
    await generator.release();
  }
  return results;
};

/** Options by the name of the run; those of a single run, which is greedy, have none. */
function runsOf(generate: unknown): [string, GenerationOptions][] {
  const entries = Object.entries(generate as Record<string, unknown>);
  const isNamed = entries.every(([, value]) => typeof value === "object" && value !== null);
  return isNamed ? (entries as [string, GenerationOptions][]) : [["greedy", generate as GenerationOptions]];
}

/** Flamingo continues `prompt_ids`; captions begin with and without a prompt; answers with the first token. */
function beginningsOf({ inputs }: ParityCase, bos: number): Beginning[] {
  const prompts = inputs.get("prompt_ids");
  if (prompts) return [{ ending: "", row: 0, ids: rowOf(prompts, 0).toNumbers() }];
  const count = inputs.get("pixel_values")!.shape[0]!;
  const captions = inputs.get("prompt_input_ids");
  return Array.from({ length: count }, (_, row): Beginning[] => {
    if (!captions) return [{ ending: `.${row}`, row }];
    const ids = [bos, ...rowOf(captions, row).toNumbers().slice(1, -1)];
    return [
      { ending: `.prompt.${row}`, row, ids },
      { ending: `.no_prompt.${row}`, row },
    ];
  }).flat();
}

function sourceOf(parityCase: ParityCase, row: number): Source {
  const names = sourceNames.filter((name) => parityCase.inputs.has(name));
  return Object.fromEntries(names.map((name) => [name, rowOf(inputOf(parityCase, name), row)]));
}

function rowOf({ dtype, shape, data }: Tensor, row: number): Tensor {
  const size = data.length / shape[0]!;
  return new Tensor(dtype, shape.slice(1), data.slice(row * size, (row + 1) * size));
}
