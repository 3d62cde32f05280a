/** Models whose generators stop when nobody waits for what they write. */

import type { Generator } from "../generation/generator.ts";
import type { OpenGenerator } from "../generation/open-generator.ts";
import type { BatchOrder } from "./batch-order.ts";

/** The model on the terms of an order: its signal stops generation between two steps. */
export function cancellable<Model extends OpenGenerator>(model: Model, { signal }: BatchOrder): Model {
  if (!signal) return model;
  const { generator } = model;
  const { provider, defaults, hasEncoder } = generator;
  const stopping: Generator = {
    provider,
    defaults,
    hasEncoder,
    generate: (prompts, options, hooks) => generator.generate(prompts, options, { ...hooks, signal }),
    release: () => generator.release(),
  };
  return { ...model, generator: stopping };
}
