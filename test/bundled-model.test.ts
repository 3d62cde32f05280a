import { readFileSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { pipeline } from "../src/tasks/pipeline.ts";

const folder = fileURLToPath(new URL("../models/sst2", import.meta.url));
const classify = await pipeline("text-classification", "sst2");
afterAll(() => classify.dispose());

test("the bundled sentiment model tells plain praise from plain blame", async () => {
  const praise = [
    "a moving and beautiful film",
    "great fun , warm and funny",
    "an engaging , intelligent drama",
  ];
  const blame = [
    "a dull and pointless mess",
    "boring , lifeless and far too long",
    "the worst movie of the year",
  ];
  const labels = (await classify([...praise, ...blame])).map(({ label }) => label);
  expect(labels).toEqual([...praise.map(() => "positive"), ...blame.map(() => "negative")]);
});

test("the bundled model is no larger than 10 MB and states its accuracy", async () => {
  const sizes = (await readdir(folder)).map((name) => statSync(join(folder, name)).size);
  expect(sizes.reduce((total, size) => total + size, 0)).toBeLessThan(10_000_000);
  const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as {
    metrics: { accuracy: number };
  };
  expect(manifest.metrics.accuracy).toBeGreaterThan(0.75);
});
