/** Every architecture by the class name that `config.json` gives. */

import { ConfigError } from "../errors.ts";
import { bertArchitectures } from "./bert-architectures.ts";
import type { ConfigJson } from "./config.ts";
import type { Architecture, TaskName } from "./model.ts";

const architectures: readonly Architecture[] = [...bertArchitectures];

const byName = new Map(architectures.map((architecture) => [architecture.name, architecture]));

export const architectureNames = (): string[] => [...byName.keys()];

/** The architecture a config names. @throws ConfigError, code "unsupported", when it is not one of ours. */
export function architectureOf(json: ConfigJson, where = "config.json"): Architecture {
  const names = Array.isArray(json.architectures) ? (json.architectures as unknown[]) : [];
  const found = names.map((name) => byName.get(String(name))).find((known) => known !== undefined);
  if (found) return found;
  const given =
    names.length > 0
      ? `architecture ${names.join(", ")}`
      : `model_type ${String(json.model_type ?? "(none)")}`;
  throw new ConfigError(`${where}: ${given} is not supported; known are ${[...byName.keys()].join(", ")}`, {
    code: "unsupported",
  });
}

/** The architecture of a family (`model_type`) that serves a task. @throws ConfigError when the family has none. */
export function architectureFor(modelType: string, task: TaskName): Architecture {
  const found = architectures.find((known) => known.modelType === modelType && known.task === task);
  if (found) return found;
  throw new ConfigError(`${modelType}: has no architecture for the task ${task}`, { code: "unsupported" });
}
