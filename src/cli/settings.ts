/**
 * Settings of a long-running command: each has a flag, a variable of the environment and a key in a file. A flag goes
 * before the environment, the environment before the file. All are validated together, and all that is wrong is told at
 * once.
 */

import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { nearest } from "../store/nearest.ts";

export interface Setting<Schema extends z.ZodType = z.ZodType> {
  /** As commander takes it; "...": a list. `--no-x` is the setting `x`, true by default. */
  readonly flag: string;
  readonly help: string;
  /** Of texts as they are typed, and of what YAML holds. Gives the default for undefined. */
  readonly schema: Schema;
  /** What is shown of the value; default all of it. */
  readonly show?: (value: z.output<Schema>) => unknown;
}

export type Settings = Readonly<Record<string, Setting>>;
export type Values<Table extends Settings> = {
  readonly [Name in keyof Table]: z.output<Table[Name]["schema"]>;
};

/** Where a value comes from, for errors and `--print-config`. */
type Source = "default" | `file ${string}` | `environment ${string}` | `flag ${string}`;
type Given = Record<string, { readonly value: unknown; readonly source: Source }>;

export const setting = <Schema extends z.ZodType>(
  flag: string,
  help: string,
  schema: Schema,
  show?: (value: z.output<Schema>) => unknown,
): Setting<Schema> => ({ flag, help, schema, ...(show && { show }) });

const numberIn = (value: unknown): unknown =>
  typeof value === "string" && value.trim() !== "" ? Number(value) : value;

/** Schemas of what settings hold. */
export const text = z.union([z.string(), z.number()]).transform(String);
export const list = z.union([z.array(text), text.transform((all) => all.split(","))]);
export const wholeFrom = (least: number): z.ZodType<number> =>
  z.preprocess(
    numberIn,
    z.int(`must be a whole number from ${least}`).min(least, `must be at least ${least}`),
  );
export const positive: z.ZodType<number> = z.preprocess(
  numberIn,
  z.number("must be a number").min(0, "must not be negative"),
);
export const flag = z.preprocess(
  (value) => (value === "true" ? true : value === "false" ? false : value),
  z.boolean("must be true or false"),
);

/** Adds the flags of a table, `--config` and `--print-config`. */
export function addSettings(command: Command, table: Settings): Command {
  for (const { flag: typed, help, schema } of Object.values(table)) {
    const initial = schema.safeParse(undefined).data;
    const isShown = initial !== undefined && typeof initial !== "boolean" && String(initial) !== "";
    command.option(typed, isShown ? `${help} (default: ${initial})` : help);
  }
  return command
    .option("--config <file>", "YAML or JSON with the names of flags; flags and TESSERAE_SERVE_… go first")
    .option("--print-config", "show the settings and where each comes from, and end");
}

/** The settings, and how they are shown. @throws ConfigError that lists everything that is wrong. */
export async function readSettings<Table extends Settings>(
  command: Command,
  table: Table,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ values: Values<Table>; shown: string; document: Record<string, unknown> }> {
  const path = command.getOptionValue("config") ?? env[variableOf("config")];
  const problems: string[] = [];
  const given: Given = {
    ...(path === undefined ? {} : await fromFile(String(path), table, problems)),
    ...fromEnvironment(table, env),
    ...fromFlags(command, table),
  };
  const values: Record<string, unknown> = {};
  for (const [name, { schema }] of Object.entries(table)) {
    const { data, error } = schema.safeParse(given[name]?.value);
    values[name] = data;
    const where = given[name] ? given[name].source : `--${dashed(name)}`;
    for (const { message } of error?.issues ?? [])
      problems.push(`${where}: ${problemOf(message, given[name])}`);
  }
  if (problems.length > 0)
    throw new ConfigError(`${command.name()}: the settings do not hold:\n  ${problems.join("\n  ")}`);
  return { values: values as Values<Table>, ...show(table, values, given) };
}

const problemOf = (message: string, given: Given[string] | undefined): string =>
  given === undefined ? "is needed" : `${message}, got ${JSON.stringify(given.value)}`;

async function fromFile(path: string, table: Settings, problems: string[]): Promise<Given> {
  let content: unknown;
  try {
    content = parse(await readFile(path, "utf8")) ?? {};
  } catch (cause) {
    throw new ConfigError(`--config ${path}: cannot be read: ${(cause as Error).message.split("\n")[0]}`, {
      cause,
    });
  }
  if (typeof content !== "object" || content === null || Array.isArray(content))
    throw new ConfigError(`--config ${path}: must hold names with values`);
  const given: Given = {};
  for (const [key, value] of Object.entries(content)) {
    const name = Object.keys(table).find((each) => dashed(each) === key.replaceAll("_", "-"));
    if (name) given[name] = { value, source: `file ${path}, ${key}` };
    else problems.push(`file ${path}, ${key}: there is no such setting${hint(key, table)}`);
  }
  return given;
}

function hint(key: string, table: Settings): string {
  const guess = nearest(key, Object.keys(table).map(dashed));
  return guess === undefined ? "" : `; did you mean "${guess}"?`;
}

function fromEnvironment(table: Settings, env: NodeJS.ProcessEnv): Given {
  const given: Given = {};
  for (const name of Object.keys(table)) {
    const variable = variableOf(name);
    if (env[variable] !== undefined)
      given[name] = { value: env[variable], source: `environment ${variable}` };
  }
  return given;
}

function fromFlags(command: Command, table: Settings): Given {
  const given: Given = {};
  for (const name of Object.keys(table)) {
    if (command.getOptionValueSource(name) !== "cli") continue;
    given[name] = { value: command.getOptionValue(name), source: `flag --${dashed(name)}` };
  }
  return given;
}

function show(
  table: Settings,
  values: Readonly<Record<string, unknown>>,
  given: Given,
): { shown: string; document: Record<string, unknown> } {
  const document: Record<string, unknown> = {};
  for (const [name, { show: hide = (value: unknown) => value }] of Object.entries(table))
    if (values[name] !== undefined) document[dashed(name)] = hide(values[name]);
  const shown = Object.entries(document).map(([key, value]) => {
    const name = Object.keys(table).find((each) => dashed(each) === key)!;
    const text = stringify(value, { collectionStyle: "flow" }).trimEnd();
    return `${key}: ${text} # ${given[name]?.source ?? "default"}`;
  });
  return { shown: shown.join("\n"), document };
}

/** `maxBodyBytes` as `max-body-bytes`. */
const dashed = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Not TESSERAE_PORT: Kubernetes sets that one for a service of the name tesserae. */
const variableOf = (name: string): string =>
  `TESSERAE_SERVE_${dashed(name).replaceAll("-", "_").toUpperCase()}`;
