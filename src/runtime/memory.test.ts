import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sumModel } from "../../test/support/session-suite.ts";

const script = fileURLToPath(new URL("../../test/support/memory-growth.mjs", import.meta.url));

describe("resident memory of a process of its own", () => {
  const folder = mkdtempSync(join(tmpdir(), "tesserae-memory-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  let grownMb: Record<string, number>;
  beforeAll(() => {
    const model = join(folder, "model.onnx");
    writeFileSync(model, sumModel);
    grownMb = JSON.parse(String(execFileSync(process.execPath, ["--expose-gc", script, model])));
  }, 120_000);

  // One tensor leaked by each run would be 64 MiB.
  test.each(["ortRuns", "inPlaceRuns", "threadedRuns"])("does not grow over 1,000 %s", (kind) => {
    expect(grownMb[kind]).toBeLessThan(48);
  });

  // One session's thread is about 5 MiB.
  test.each(["ortCycles", "threadedCycles"])("does not grow over 50 %s of open and release", (kind) => {
    expect(grownMb[kind]).toBeLessThan(48);
  });
});
