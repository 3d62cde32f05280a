/** `tesserae list`: the models that are here. */

import type { Command } from "commander";
import { Catalog, type CatalogModel } from "../store/catalog.ts";
import { listVariants } from "../store/variants.ts";
import { createCommand, runs } from "./command.ts";
import { describeVariant, fileSizes } from "./describe.ts";
import { showBytes, showMetrics, showTable } from "./format.ts";

export function listCommand(): Command {
  const command = createCommand("list", "List the models of the store and the bundled ones.", [
    "list",
    "list --json",
  ]);
  return runs(command, async ({ output }) => {
    const models = await Promise.all((await new Catalog().list()).map(summaryOf));
    const rows = models.flatMap(rowsOf);
    const table = showTable(["MODEL", "TASK", "SIZE", "CREATED", "METRICS"], rows, [2]);
    const hint = 'No models yet; "tesserae pull ORG/NAME" gets one, "tesserae train" makes one.';
    output.result(models, rows.length > 0 ? table : hint);
    return 0;
  });
}

/** A model's row, and under it those of its variants. */
function rowsOf({ ref, task, sizeBytes, metrics, createdAt, source, variants }: Summary): string[][] {
  const created = source === "bundled" ? "bundled" : createdAt.slice(0, 10);
  return [
    [ref, task, showBytes(sizeBytes), created, showMetrics(metrics)],
    ...variants.map((variant) => [
      `  :${variant.name}`,
      variant.kind,
      showBytes(variant.sizeBytes),
      variant.createdAt.slice(0, 10),
      showMetrics(variant.metrics),
    ]),
  ];
}

type Summary = Awaited<ReturnType<typeof summaryOf>>;

async function summaryOf({ ref, source, folder, manifest }: CatalogModel) {
  const sizes = await fileSizes(folder);
  return {
    ref,
    source,
    task: manifest?.task ?? "",
    sizeBytes: Object.values(sizes).reduce((sum, size) => sum + size, 0),
    createdAt: manifest?.createdAt ?? "",
    metrics: manifest?.metrics ?? {},
    variants: (await listVariants(folder)).map(describeVariant),
    folder,
  };
}
