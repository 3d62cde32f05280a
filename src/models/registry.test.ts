import { expect, test } from "vitest";
import { parametersOf } from "../nn/module.ts";
import { architectureNames, architectureOf } from "./registry.ts";
import { storedNames } from "./trace.ts";

test("every class names its parameters in both directions", () => {
  for (const name of architectureNames()) {
    const architecture = architectureOf({ architectures: [name] });
    const model = architecture.build({ num_hidden_layers: 2, n_layers: 2, n_layer: 2, media_token_id: 1 });
    const stored = storedNames(architecture, model);
    for (const [node, ours] of parametersOf(model)) {
      expect(architecture.names.fromHub(stored.get(node)!)).toBe(ours);
    }
  }
});
