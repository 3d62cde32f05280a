/** A temporary folder for the tests of one file, removed at their end. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** Call it at the top of a test file. */
export function useTemporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tesserae-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
