/** `tesserae rm`: removes one version from the store. */

import type { Command } from "commander";
import { ModelStore } from "../store/store.ts";
import { createCommand, runs } from "./command.ts";

export function rmCommand(): Command {
  const command = createCommand("rm <version>", "Remove a version from the store.", [
    "rm reviews@2",
  ]).argument("<version>", "name and version number, such as reviews@2");
  return runs<object, [string]>(command, async ({ output }, ref) => {
    await new ModelStore().remove(ref);
    output.result({ removed: ref }, `removed ${ref}`);
    return 0;
  });
}
