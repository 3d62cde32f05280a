/** What the architectures of one family share: how its config is read, its inputs, and the names of its weights. */

import type { z } from "zod";
import { Init } from "../nn/module.ts";
import { type NameMap, NameTable } from "../weights/names.ts";
import { type ConfigJson, type ProblemType, parseConfig } from "./config.ts";
import type { Architecture, InputSpec, Model, TaskName, Variant } from "./model.ts";

/** Inputs, or what the config makes of them. */
type Specs<Config> = readonly InputSpec[] | ((config: Config) => readonly InputSpec[]);

export interface Family<Config> {
  /** `model_type` of `config.json`. */
  readonly modelType: string;
  readonly config: z.ZodType<Config>;
  /** Ours → Hugging Face, of every class; a bare encoder leaves out `basePrefix`. */
  readonly names: NameMap;
  readonly basePrefix: string;
  /** Inputs of every class, labels aside. */
  readonly inputs: Specs<Config>;
  /** Standard deviation of first values; default 0.02. */
  readonly initialStd?: (config: Config) => number;
}

/** One class of a family. */
export interface ModelClass<Config> {
  readonly name: string;
  readonly task: TaskName;
  readonly variant?: Variant;
  readonly build: new (init: Init, config: Config) => Model;
  readonly labels?: Specs<Config>;
  /** Default: those of the family. */
  readonly inputs?: Specs<Config>;
  /** True for the encoder without a head, whose stored names lack the prefix. */
  readonly isBare?: boolean;
}

/** The architectures of a family, in the registry's form. */
export function architecturesOf<Config>(
  family: Family<Config>,
  classes: readonly ModelClass<Config>[],
): Architecture[] {
  return classes.map((entry) => architectureOf(family, entry));
}

function architectureOf<Config>(family: Family<Config>, entry: ModelClass<Config>): Architecture {
  const { modelType, basePrefix, initialStd } = family;
  const { name, task, variant, labels = [], inputs = family.inputs, isBare = false } = entry;
  const configOf = (json: ConfigJson): Config => parseConfig(family.config, json, name);
  let names: NameTable | undefined; // made when it is needed: a table costs time, and there are many classes
  return {
    name,
    modelType,
    task,
    variant,
    get names() {
      names ??= new NameTable(name, isBare ? bareNames(family) : family.names);
      return names;
    },
    basePrefix,
    build: (json, init) => {
      const config = configOf(json);
      return new entry.build(init ?? new Init(initialStd?.(config)), config);
    },
    inputs: (json) =>
      [inputs, labels].flatMap((specs) => (typeof specs === "function" ? specs(configOf(json)) : specs)),
  };
}

const bareNames = ({ names, basePrefix }: Pick<Family<never>, "names" | "basePrefix">): NameMap =>
  Object.fromEntries(
    Object.entries(names)
      .filter(([, hub]) => hub.startsWith(basePrefix))
      .map(([ours, hub]) => [ours, hub.slice(basePrefix.length)]),
  );

/** Ids or a mask, int64 [B, T]. */
export const tokenInput = (name: string, axes: readonly string[] = ["batch", "length"]): InputSpec => ({
  name,
  dtype: "int64",
  axes,
});

export const labelInput = (
  name: string,
  axes: readonly (string | number)[],
  dtype: InputSpec["dtype"] = "int64",
): InputSpec => ({ name, dtype, axes, isLabel: true });

/** A label for every token [B, T], for every text [B], and the first and last token of an answer [B]. */
export const tokenLabels = [labelInput("labels", ["batch", "length"])];
export const textLabels = [labelInput("labels", ["batch"])];
export const spanLabels = [labelInput("start_positions", ["batch"]), labelInput("end_positions", ["batch"])];

/** Labels of a sequence classifier as its problem wants them. */
export function classLabels({
  problemType,
  id2label,
}: {
  readonly problemType?: ProblemType | undefined;
  readonly id2label: readonly string[];
}): InputSpec[] {
  if (problemType === "multi_label_classification")
    return [labelInput("labels", ["batch", id2label.length], "float32")];
  const isRegression = problemType === "regression" || (!problemType && id2label.length === 1);
  return isRegression ? [labelInput("labels", ["batch"], "float32")] : textLabels;
}
