import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../../test/support/folder.ts";
import { watchRules } from "./rules-file.ts";

const folder = useTemporaryFolder();
const path = join(folder, "rules.yaml");
const named = (name: string): string => `rules: [{ name: ${name}, use: [x] }]`;

describe("watchRules", () => {
  test("takes a changed file and one renamed into place, and keeps the rules when a new file does not hold", async () => {
    writeFileSync(path, named("one"));
    const told: string[] = [];
    const file = await watchRules(path, (message) => told.push(message));
    const name = (): string => file.current.rules[0]!.name;
    expect(name()).toBe("one");
    writeFileSync(path, named("two"));
    await expect.poll(name).toBe("two");
    writeFileSync(path, "rules: 7");
    await expect.poll(() => told.at(-1)).toMatch(/rules: Invalid input.*\n*the rules before stay/s);
    expect(name()).toBe("two");
    writeFileSync(`${path}.new`, named("three"));
    renameSync(`${path}.new`, path);
    await expect.poll(name).toBe("three");
    file.close();
  });

  test("refuses to start without a file or with a bad one", async () => {
    await expect(watchRules(join(folder, "none"), () => undefined)).rejects.toThrow(/cannot be read/);
    writeFileSync(join(folder, "bad"), "rules: 7");
    await expect(watchRules(join(folder, "bad"), () => undefined)).rejects.toThrow(/do not hold/);
  });
});
