/** Class names in `config.json`. */

import { z } from "zod";
import { type ConfigJson, id2label, type ProblemType, parseConfig, problemType } from "../models/config.ts";
import type { TaskName } from "../models/model.ts";

/** The fields that name the classes, in order. */
export const labelFields = (labels: readonly string[]): ConfigJson => ({
  id2label: Object.fromEntries(labels.map((label, id) => [id, label])),
  label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
});

export interface LabelConfig {
  readonly id2label: string[];
  readonly problemType?: ProblemType | undefined;
}

/** Class names and problem type of a config. @throws ConfigError when they are not valid. */
export const readLabels = (config: ConfigJson, where: string): LabelConfig =>
  parseConfig(z.object({ id2label, problemType }), config, where);

/** Tasks whose classes have names. */
const labelled: readonly TaskName[] = ["text-classification", "token-classification", "image-classification"];

/** `{ labels }` in the order of the classes where the task and config.json name them; else nothing. */
export function labelsIn(config: ConfigJson, task: TaskName): { labels?: string[] } {
  if (!labelled.includes(task) || typeof config.id2label !== "object" || config.id2label === null) return {};
  const entries = Object.entries(config.id2label as Record<string, string>);
  return { labels: entries.sort(([a], [b]) => Number(a) - Number(b)).map(([, label]) => label) };
}
