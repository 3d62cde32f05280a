/** Checks that imports in src/ point down the layers and form no cycle. Exit 1 names every offence. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** From the bottom up; a layer may import itself and those before it. */
const layers = [
  ["errors.ts"],
  ["tensor"],
  ["graph"],
  ["runtime"],
  ["nn"],
  ["weights", "text", "vision"],
  ["models"],
  ["generation"],
  ["data"],
  ["train"],
  ["store", "parity"],
  ["tasks"],
  ["retrieval"],
  ["compress"],
  ["export"],
  ["explain"],
  ["serve"],
  ["index.ts", "cli"],
];

const root = resolve("src");
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
  .map((name) => join(root, name));

const rankOf = (file: string): number => {
  const [folder] = relative(root, file).split(/[\\/]/);
  return layers.findIndex((names) => names.includes(folder!));
};

const importsOf = (file: string): { target: string; isType: boolean }[] =>
  [...readFileSync(file, "utf8").matchAll(/^\s*(?:import|export)\b([^"';]*?)from\s+"(\.[^"]+)"/gm)].map(
    (match) => ({
      target: resolve(dirname(file), match[2]!),
      isType: match[1]!.trim().startsWith("type "),
    }),
  );

const offences: string[] = [];
for (const file of files) {
  if (rankOf(file) < 0) offences.push(`${relative(root, file)}: is in no layer of scripts/check-layers.ts`);
  for (const { target } of importsOf(file)) {
    const isUpward = rankOf(target) > rankOf(file);
    const isTrainServe =
      relative(root, file).startsWith("serve") && relative(root, target).startsWith("train");
    if (isUpward || isTrainServe)
      offences.push(`${relative(root, file)} may not import ${relative(root, target)}`);
  }
}

const state = new Map<string, "open" | "done">();
const visit = (file: string, trail: string[]): void => {
  if (state.get(file) === "done") return;
  if (state.get(file) === "open") {
    const cycle = [...trail.slice(trail.indexOf(file)), file].map((name) => relative(root, name));
    offences.push(`cycle: ${cycle.join(" → ")}`);
    return;
  }
  state.set(file, "open");
  for (const { target, isType } of importsOf(file)) if (!isType) visit(target, [...trail, file]);
  state.set(file, "done");
};
for (const file of files) visit(file, []);

for (const offence of offences) console.error(offence);
console.log(`layers: ${files.length} files, ${offences.length} offences`);
process.exit(offences.length > 0 ? 1 : 0);
