/**
 * A variant's folder lies at `<model folder>/variants/<name>/` and opens like a model folder: its graph and weights are
 * its own, everything else is the model's. `variant.json` tells it apart.
 */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

export const variantFile = "variant.json";

/** The folder of a model's variants, in the model's folder. */
export const variantsFolder = "variants";

export const isVariantFolder = (folder: string): boolean => existsSync(join(folder, variantFile));

/** The folder that holds config, tokenizer and preprocessor: the model's own for a variant's. */
export const sharedFolder = (folder: string): string =>
  isVariantFolder(folder) ? dirname(dirname(folder)) : folder;
