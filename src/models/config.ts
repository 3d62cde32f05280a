/** Reading `config.json`: Hugging Face's snake_case fields as camelCase, checked once at the edge. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { type ActivationName, activations } from "../graph/ops/activation.ts";
import { isVariantFolder, sharedFolder, variantFile } from "../weights/variant-folder.ts";

/** A parsed `config.json`, its fields as in the file. */
export type ConfigJson = Readonly<Record<string, unknown>>;

const snakeToCamel = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

const camelFields = (json: ConfigJson): Record<string, unknown> =>
  Object.fromEntries(Object.entries(json).map(([key, value]) => [snakeToCamel(key), value]));

/**
 * The fields of `json` that `schema` names, in camelCase and with its defaults.
 * @throws ConfigError that lists every field that does not hold.
 */
export function parseConfig<T>(schema: z.ZodType<T>, json: ConfigJson, where: string): T {
  const result = schema.safeParse(camelFields(json));
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new ConfigError(`${where}: config.json is not valid: ${problems.join("; ")}`);
}

/**
 * The config of a model folder; of a variant's, the model's with the variant's own fields laid over it.
 * @throws ConfigError when a file is missing or is not a JSON object.
 */
export async function readConfig(folder: string): Promise<ConfigJson> {
  const config = await readJsonObject(join(sharedFolder(folder), "config.json"));
  if (!isVariantFolder(folder)) return config;
  const { config: own } = await readJsonObject(join(folder, variantFile));
  return { ...config, ...(isObject(own) && own) };
}

async function readJsonObject(path: string): Promise<ConfigJson> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new ConfigError(`${path}: cannot be read; a model folder needs a config.json`, {
      cause,
      code: "not_found",
    });
  }
  return parseJsonObject(text, path);
}

/** @throws ConfigError unless the text is a JSON object. */
export function parseJsonObject(text: string, where: string): ConfigJson {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as ConfigJson;
  } catch (cause) {
    throw new ConfigError(`${where}: is not valid JSON`, { cause });
  }
  throw new ConfigError(`${where}: expected a JSON object`);
}

/** A section of `config.json`: an object whose fields `schema` names, in camelCase. */
export const section = <T extends z.ZodType>(schema: T): z.ZodPreprocess<T> =>
  z.preprocess((value) => (isObject(value) ? camelFields(value) : value), schema);

const isObject = (value: unknown): value is ConfigJson => typeof value === "object" && value !== null;

/** A positive whole number small enough for a tensor axis. */
export const size = z
  .number()
  .int()
  .min(1)
  .max(2 ** 31 - 1);

/** A rate of dropout, 0 up to but without 1. */
export const rate = z.number().min(0).lt(1);

export const activationName = z.enum(Object.keys(activations) as [ActivationName, ...ActivationName[]]);

/** Class names by index, `{"0": "negative", …}`; Hugging Face leaves it out where there are two. */
export const id2label = z
  .record(z.string().regex(/^\d+$/, "keys must be numbers"), z.string())
  .nullish()
  .transform((table) => {
    const entries = Object.entries(table ?? { 0: "LABEL_0", 1: "LABEL_1" });
    return entries.sort(([a], [b]) => Number(a) - Number(b)).map(([, label]) => label);
  });

/** What `problem_type` may be; absent, it follows from the number of labels and the labels' dtype. */
export const problemType = z
  .enum(["regression", "single_label_classification", "multi_label_classification"])
  .nullish();

export type ProblemType = z.infer<typeof problemType>;
