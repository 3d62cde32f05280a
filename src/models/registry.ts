/** Every architecture by the class name that `config.json` gives. */

import { ConfigError } from "../errors.ts";
import { bertArchitectures } from "./bert-architectures.ts";
import { blipArchitectures } from "./blip-architectures.ts";
import { clipArchitectures } from "./clip-architectures.ts";
import type { ConfigJson } from "./config.ts";
import { cvtArchitectures } from "./cvt-architectures.ts";
import { distilBertArchitectures } from "./distilbert-architectures.ts";
import { flamingoArchitectures } from "./flamingo-architectures.ts";
import { gpt2Architectures } from "./gpt2-architectures.ts";
import { maeArchitectures } from "./mae-architectures.ts";
import { maeClassifierArchitectures } from "./mae-classifier.ts";
import { marianArchitectures } from "./marian-architectures.ts";
import { mobileVitArchitectures } from "./mobilevit-architectures.ts";
import type { Architecture, TaskName, Variant } from "./model.ts";
import { roFormerArchitectures } from "./roformer-architectures.ts";
import { swinArchitectures } from "./swin-architectures.ts";
import { t2tVitArchitectures } from "./t2t-vit.ts";
import { t5Architectures } from "./t5-architectures.ts";
import { transformerArchitectures } from "./transformer-architectures.ts";
import { vitArchitectures } from "./vit-architectures.ts";
import { xlnetArchitectures } from "./xlnet-architectures.ts";

const architectures: readonly Architecture[] = [
  ...bertArchitectures,
  ...transformerArchitectures,
  ...marianArchitectures,
  ...t5Architectures,
  ...gpt2Architectures,
  ...distilBertArchitectures,
  ...roFormerArchitectures,
  ...xlnetArchitectures,
  ...vitArchitectures,
  ...maeArchitectures,
  ...maeClassifierArchitectures,
  ...t2tVitArchitectures,
  ...swinArchitectures,
  ...cvtArchitectures,
  ...mobileVitArchitectures,
  ...clipArchitectures,
  ...blipArchitectures,
  ...flamingoArchitectures,
];

const byName = new Map(architectures.map((architecture) => [architecture.name, architecture]));

export const architectureNames = (): string[] => [...byName.keys()];

/** The architecture a config names. @throws ConfigError, code "unsupported", when it is not one of ours. */
export function architectureOf(json: ConfigJson, where = "config.json"): Architecture {
  const names: unknown[] = Array.isArray(json.architectures) ? [...json.architectures] : [];
  if (json.model) names.push(json.model); // configs of original repositories
  const found = names.map((name) => byName.get(String(name))).find((known) => known !== undefined);
  if (found) return found;
  const given =
    names.length > 0
      ? `architecture ${names.join(", ")}`
      : `model_type ${String(json.model_type ?? "(none)")}`;
  const families = new Set(architectures.map(({ modelType }) => modelType));
  throw new ConfigError(
    `${where}: ${given} is not supported; known families are ${[...families].join(", ")}`,
    {
      code: "unsupported",
    },
  );
}

/**
 * The architecture of a family (`model_type`) that serves a task, in its plain form unless a variant is named.
 * @throws ConfigError when the family has none.
 */
export function architectureFor(modelType: string, task: TaskName, variant?: Variant): Architecture {
  const found = architectures.find(
    (known) => known.modelType === modelType && known.task === task && known.variant === variant,
  );
  if (found) return found;
  const wanted = variant ? `${task} with ${variant}` : task;
  throw new ConfigError(`${modelType}: has no architecture for the task ${wanted}`, { code: "unsupported" });
}
