/** Cases that generate: ids, scores of beams, and a decoder's cache. B rows, T tokens, V vocabulary. */

import type { NewRow } from "../generation/decoder.ts";
import { type Generator, LocalGenerator, type Prompt } from "../generation/generator.ts";
import { openDecoder } from "../generation/open-decoder.ts";
import type { GenerationOptions } from "../generation/options.ts";
import type { Generated } from "../generation/search.ts";
import { Tensor } from "../tensor/tensor.ts";
import { inputOf, type ParityCase, type Tensors } from "./case.ts";

/** The tensors of a case that `forward` alone does not compute; none for cases that generate nothing. */
export async function runGeneration(parityCase: ParityCase): Promise<Tensors> {
  const { expected, options, folder } = parityCase;
  const runs = Object.entries((options.generate ?? {}) as Record<string, GenerationOptions>);
  const results = new Map<string, Tensor>();
  if (expected.has("incremental_logits")) await runIncremental(parityCase, results);
  if (runs.length === 0) return results;
  const generator = await LocalGenerator.open(folder);
  try {
    for (const [name, settings] of runs) await runGenerate(parityCase, generator, name, settings, results);
  } finally {
    await generator.release();
  }
  return results;
}

async function runGenerate(
  parityCase: ParityCase,
  generator: Generator,
  name: string,
  { pad_token_id, ...options }: GenerationOptions & { readonly pad_token_id?: number },
  results: Map<string, Tensor>,
): Promise<void> {
  const prompts = promptsOf(parityCase, generator);
  const answers = await generator.generate(prompts, withoutPadding(options, parityCase));
  const flat = answers.flat();
  const beginnings = beginningsOf(parityCase, generator);
  const padId = pad_token_id ?? Number(parityCase.config.pad_token_id ?? 0);
  const rows = flat.map(({ ids }, at) => [
    ...beginnings[Math.floor((at * prompts.length) / flat.length)]!,
    ...ids,
  ]);
  results.set(`generate.${name}`, idTensor(rows, padId));
  const scores = flat.map(({ score = 0 }) => score);
  results.set(`generate.${name}.sequences_scores`, Tensor.from("float32", [flat.length], scores));
  const expected = parityCase.expected.get(`generate.${name}.step_logits`);
  if (expected)
    results.set(`generate.${name}.step_logits`, await stepLogits(parityCase, prompts, flat, expected));
}

/** The reference counts a prompt's padding as part of its length; here prompts have none, so new tokens are counted. */
function withoutPadding(options: GenerationOptions, { inputs }: ParityCase): GenerationOptions {
  const padded = inputs.get("generate.input_ids")?.shape[1];
  const { max_length, min_length, ...others } = options;
  if (padded === undefined) return options;
  return {
    ...others,
    ...(max_length && { max_new_tokens: max_length - padded }),
    ...(min_length && { min_new_tokens: Math.max(0, min_length - padded) }),
  };
}

/** Rows of a [B, T] tensor of ids, without what its mask leaves out. */
function unpadded({ shape, data }: Tensor, mask: Tensor | undefined): number[][] {
  const [batch, length] = shape as [number, number];
  return Array.from({ length: batch }, (_, row) => {
    const places = Array.from({ length }, (_, at) => row * length + at);
    return places.filter((at) => Number(mask?.data[at] ?? 1) === 1).map((at) => Number(data[at]));
  });
}

function promptsOf(parityCase: ParityCase, { hasEncoder }: Generator): Prompt[] {
  const { inputs } = parityCase;
  if (hasEncoder) {
    const sources = unpadded(inputOf(parityCase, "input_ids"), inputs.get("attention_mask"));
    return sources.map((ids) => ({ source: { input_ids: Tensor.from("int64", [ids.length], ids) } }));
  }
  const ids = inputOf(parityCase, "generate.input_ids");
  return unpadded(ids, inputs.get("generate.attention_mask")).map((row) => ({ ids: row }));
}

/** What the reference returns before the new tokens: the padded prompt, or the decoder's start. */
function beginningsOf(parityCase: ParityCase, { hasEncoder, defaults }: Generator): number[][] {
  if (!hasEncoder) return unpadded(inputOf(parityCase, "generate.input_ids"), undefined);
  const start = defaults.decoder_start_token_id ?? defaults.bos_token_id ?? 0;
  return unpadded(inputOf(parityCase, "input_ids"), undefined).map(() => [start]);
}

function idTensor(rows: readonly (readonly number[])[], padId: number): Tensor {
  const length = Math.max(...rows.map((row) => row.length));
  const padded = rows.flatMap((row) => [...row, ...new Array<number>(length - row.length).fill(padId)]);
  return Tensor.from("int64", [rows.length, length], padded);
}

/** Scores before each generated token [B, steps, V]. The reference's after a row's end mean nothing and are taken over. */
async function stepLogits(
  { folder }: ParityCase,
  prompts: readonly Prompt[],
  answers: readonly Generated[],
  expected: Tensor,
): Promise<Tensor> {
  const decoder = await openDecoder(folder);
  const [, steps, size] = expected.shape as [number, number, number];
  const logits = new Tensor("float32", expected.shape, Float32Array.from(expected.data as Float32Array));
  for (let step = 0; step < steps; step++) {
    const tokens = answers.map(({ ids }) => ids[step - 1] ?? 0);
    const outputs =
      step === 0
        ? await decoder.add(
            prompts.map(({ ids = [], source }) => ({ ids, ...(source && { source }) })),
            ["logits"],
          )
        : await decoder.step(tokens, ["logits"]);
    for (const [row, { ids }] of answers.entries()) {
      if (step < ids.length)
        (logits.data as Float32Array).set(outputs.scores(row, "logits"), (row * steps + step) * size);
    }
  }
  await decoder.release();
  return logits;
}

/** `past_key_values.N.*` after `options.prefill` tokens, and the scores of the others, fed one at a time. */
async function runIncremental(parityCase: ParityCase, results: Map<string, Tensor>): Promise<void> {
  const decoder = await openDecoder(parityCase.folder);
  const prefill = Number(parityCase.options.prefill);
  const ids = unpadded(inputOf(parityCase, "input_ids"), undefined);
  const masks = unpadded(inputOf(parityCase, "attention_mask"), undefined);
  const rows: NewRow[] = ids.map((row, at) => ({ ids: row.slice(0, prefill), mask: masks[at]! }));
  const first = await decoder.add(rows, ["logits"]);
  for (const name of parityCase.expected.keys()) {
    const [, layer, part] = /^past_key_values\.(\d+)\.(\w+)$/.exec(name) ?? [];
    if (layer) results.set(name, first.present(`layers.${layer}.${part}`));
  }
  const expected = parityCase.expected.get("incremental_logits")!;
  const [, steps, size] = expected.shape as [number, number, number];
  const logits = Tensor.zeros("float32", expected.shape);
  for (let step = 0; step < steps; step++) {
    const outputs = await decoder.step(
      ids.map((row) => row[prefill + step]!),
      ["logits"],
    );
    for (const row of ids.keys()) {
      (logits.data as Float32Array).set(outputs.scores(row, "logits"), (row * steps + step) * size);
    }
  }
  results.set("incremental_logits", logits);
  await decoder.release();
}
