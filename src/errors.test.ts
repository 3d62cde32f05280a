import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { errorCodes } from "./errors.ts";

/** Rows `| code | status | meaning |` of the page, by code. */
function documentedCodes(): Record<string, { status: number; meaning: string }> {
  const text = readFileSync(new URL("../docs/errors.md", import.meta.url), "utf8");
  const rows = [...text.matchAll(/^\| `(\w+)` \| (\d{3}) \| (.+?) \|$/gm)];
  return Object.fromEntries(
    rows.map(([, code, status, meaning]) => [code, { status: Number(status), meaning }]),
  );
}

describe("docs/errors.md", () => {
  test("has a row for every code, with its status and meaning, and no other", () => {
    expect(documentedCodes()).toEqual(errorCodes);
  });
});
