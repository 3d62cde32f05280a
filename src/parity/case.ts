/** Reference cases on disk: a tiny model or function, its inputs, and what the original implementation computes. */

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { type ConfigJson, parseJsonObject, readConfig } from "../models/config.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import { asTensors, expectedNumbers } from "./shapes.ts";

const imageTolerance = z.object({ max: z.number().nonnegative(), mean: z.number().nonnegative() });
const caseSchema = z.object({
  family: z.string().optional(),
  tolerance: z.object({
    outputs: z.number().nonnegative(),
    grads: z.number().nonnegative().optional(),
    image: z.record(z.string(), imageTolerance).optional(),
  }),
  options: z.record(z.string(), z.unknown()).default({}),
  params: z.record(z.string(), z.unknown()).default({}),
  expected_numbers: expectedNumbers.optional(),
});

export type Tensors = ReadonlyMap<string, Tensor>;

export interface Tolerance {
  readonly outputs: number;
  readonly grads?: number | undefined;
  /** Of the pixel values of image pipelines, by the pipeline's name. */
  readonly image?: Readonly<Record<string, { readonly max: number; readonly mean: number }>> | undefined;
}

/** One case, read whole. */
export interface ParityCase {
  readonly name: string;
  readonly folder: string;
  /** What the case is about, where its config has no `model_type`. */
  readonly family?: string | undefined;
  readonly config: ConfigJson;
  readonly tolerance: Tolerance;
  readonly options: Readonly<Record<string, unknown>>;
  /** The same of vision cases. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly inputs: Tensors;
  /** Whether it states numbers of a full-size model without weights, in place of tensors. */
  readonly isOfNumbers: boolean;
  readonly expected: Tensors;
}

/** Computes what a case expects: tensors by the names of `expected.safetensors`. */
export type CaseRunner = (parityCase: ParityCase) => Promise<Tensors>;

/** Folders of cases below the given folders, each of which is a case or holds cases. @throws ConfigError for none. */
export async function findCases(folders: readonly string[]): Promise<string[]> {
  const found = await Promise.all(folders.map(casesIn));
  return found.flat();
}

async function casesIn(folder: string): Promise<string[]> {
  const isCase = (path: string): boolean => existsSync(join(path, "case.json"));
  if (isCase(folder)) return [folder];
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new ConfigError(`${folder}: cannot be read; expected a folder of parity cases`, {
      cause,
      code: "not_found",
    });
  });
  const cases = entries
    .map(({ name }) => join(folder, name))
    .filter(isCase)
    .sort();
  if (cases.length === 0) throw new ConfigError(`${folder}: no case.json in it or in its folders`);
  return cases;
}

/** @throws ConfigError or WeightError when a file of the case is missing or damaged. */
export async function readCase(folder: string): Promise<ParityCase> {
  const path = join(folder, "case.json");
  const parsed = caseSchema.safeParse(parseJsonObject(await readFile(path, "utf8"), path));
  if (!parsed.success) throw new ConfigError(`${path}: ${parsed.error.issues[0]!.message}`);
  const { expected_numbers: numbers, ...rest } = parsed.data;
  const read = (file: string): Promise<Tensors> => readSafetensors(join(folder, file));
  return {
    name: basename(folder),
    folder,
    config: await readConfig(folder),
    ...rest,
    inputs: numbers ? new Map() : await read("inputs.safetensors"),
    expected: numbers ? asTensors(numbers) : await read("expected.safetensors"),
    isOfNumbers: numbers !== undefined,
  };
}

/** @throws ConfigError when the case has no input of that name. */
export function inputOf({ name: where, inputs }: ParityCase, name: string): Tensor {
  const tensor = inputs.get(name);
  if (!tensor) throw new ConfigError(`${where}: inputs.safetensors has no "${name}"`);
  return tensor;
}
