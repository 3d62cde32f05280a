/** A model folder with random weights. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ConfigJson } from "../src/models/config.ts";
import { architectureOf } from "../src/models/registry.ts";
import { storedNames } from "../src/models/trace.ts";
import { initialValue } from "../src/nn/module.ts";
import { writeCheckpoint } from "../src/weights/checkpoint.ts";

/** Writes `config.json` and drawn weights; returns the folder. */
export async function writeRandom(folder: string, config: ConfigJson): Promise<string> {
  await mkdir(folder, { recursive: true });
  const architecture = architectureOf(config);
  const names = storedNames(architecture, architecture.build(config));
  await writeCheckpoint(
    folder,
    [...names].map(([node, stored]) => [stored, initialValue(node, stored, 0)] as const),
  );
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  return folder;
}
