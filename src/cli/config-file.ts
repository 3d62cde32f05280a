/**
 * Options from a YAML file: its keys are the flags' names without the dashes. Flags on the command line go first, of a table
 * (`set`, `augment`) entry by entry.
 */

import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, type Option } from "commander";
import { parse } from "yaml";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { nearest } from "../store/nearest.ts";

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const fileSchema = z.record(z.string(), z.union([scalar, z.array(scalar), z.record(z.string(), scalar)]));
type Value = z.infer<typeof fileSchema>[string];

/**
 * Sets the command's options that the file names. Returns what it says for `argument`, the command's argument.
 * @throws ConfigError for a file that cannot be read, an unknown key or a value that the flag refuses.
 */
export async function applyConfigFile(
  command: Command,
  path: string,
  argument: string,
): Promise<string | undefined> {
  const { [argument]: given, ...values } = await readConfigFile(path);
  for (const [key, value] of Object.entries(values)) {
    const option = findOption(command, key, path);
    const name = option.attributeName();
    const isGiven = command.getOptionValueSource(name) === "cli";
    if (isGiven && !isTable(value)) continue;
    const parsed = parsedValue(option, value, `${path}: ${key}`);
    const merged = isGiven ? { ...(parsed as object), ...(command.getOptionValue(name) as object) } : parsed;
    command.setOptionValueWithSource(name, merged, isGiven ? "cli" : "config");
  }
  return given === undefined ? undefined : String(given);
}

async function readConfigFile(path: string): Promise<z.infer<typeof fileSchema>> {
  let content: unknown;
  try {
    content = parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new ConfigError(`${path}: cannot be read as YAML: ${(cause as Error).message.split("\n")[0]}`, {
      cause,
    });
  }
  const { data, error } = fileSchema.safeParse(content ?? {});
  if (data) return data;
  throw new ConfigError(`${path}: must hold names with values, lists or tables: ${z.prettifyError(error)}`);
}

/** "batch-size", "batch_size" and "batchSize" are one. */
const plain = (name: string): string => name.replace(/[-_]/g, "").toLowerCase();

function findOption({ options }: Command, key: string, path: string): Option {
  const found = options.find((option) => plain(option.attributeName()) === plain(key));
  if (found && found.attributeName() !== "config") return found;
  const names = options.map((option) => option.long!.slice(2));
  const guess = nearest(key, names);
  const hint = guess ? `did you mean "${guess}"?` : "its keys are the command's flags";
  throw new ConfigError(`${path}: there is no option "${key}"; ${hint}`);
}

function parsedValue(option: Option, value: Value, where: string): unknown {
  const takesText = option.required || option.optional;
  if (!takesText) {
    if (typeof value === "boolean") return value;
    throw new ConfigError(`${where}: must be true or false, got ${JSON.stringify(value)}`);
  }
  try {
    return textsOf(value).reduce<unknown>(
      (previous, text) => (option.parseArg ? option.parseArg(text, previous) : text),
      undefined,
    );
  } catch (cause) {
    if (!(cause instanceof InvalidArgumentError)) throw cause;
    throw new ConfigError(`${where}: ${cause.message} Got ${JSON.stringify(value)}`, { cause });
  }
}

/** A value as it would be typed: lists with commas, a table as one `name=value` after the other. */
function textsOf(value: Value): string[] {
  if (Array.isArray(value)) return [value.join(",")];
  if (typeof value !== "object") return [String(value)];
  return Object.entries(value).map(([name, part]) => `${name}=${part}`);
}

const isTable = (value: Value): boolean => typeof value === "object" && !Array.isArray(value);
