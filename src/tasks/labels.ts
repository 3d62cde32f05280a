/** Class names in `config.json`. */

import { z } from "zod";
import { type ConfigJson, id2label, type ProblemType, parseConfig, problemType } from "../models/config.ts";

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
