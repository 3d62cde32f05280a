/**
 * Joins the modules that tsc wrote to dist/ behind the files that are loaded by name, so that starting takes a few files
 * instead of hundreds. Code that several of them share stays one module, in dist/chunks/.
 */

import { readFileSync, rmSync } from "node:fs";
import { build } from "esbuild";

const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
const subpaths = Object.values(exports)
  .filter((path) => path.endsWith(".js"))
  .map((path) => path.slice(2));
const workers = [
  "runtime/session-worker",
  "generation/generator-worker",
  "retrieval/search-worker",
  "serve/model-worker",
  "train/step-worker",
];
/** What workers, tests and benches load. A module that is not named here has a copy of the engine to itself. */
const inner = [
  "cli/main",
  "errors",
  "models/open",
  "models/open-towers",
  "tasks/pipeline",
  "tensor/tensor",
  ...workers,
];

rmSync("dist/chunks", { recursive: true, force: true });
await build({
  entryPoints: [...subpaths, ...inner.map((name) => `dist/${name}.js`)],
  outbase: "dist",
  outdir: "dist",
  allowOverwrite: true,
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  sourcemap: true,
  logLevel: "warning",
});
