/** Where this package lies. Its code runs from src/ in tests, and from dist/ or a chunk below it when it is built. */

import { readFileSync } from "node:fs";

const here = import.meta.url;
const at = Math.max(here.lastIndexOf("/src/"), here.lastIndexOf("/dist/"));

/** A file or folder of this package, by its path from the package's root: `models`, `dist/train/step-worker.js`. */
export const packageUrl = (path: string): URL => new URL(`${here.slice(0, at)}/${path}`);

/** The version in this package's package.json. */
export const { version: packageVersion } = JSON.parse(readFileSync(packageUrl("package.json"), "utf8")) as {
  version: string;
};
