/** The rules of a file, read again when it changes. A file that does not hold leaves the rules as they were. */

import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { ConfigError } from "../../errors.ts";
import { parseRules, type Rules } from "./rules.ts";

/** Editors write in several steps; what they leave for this long is read. */
const settleMs = 100;

export interface RulesFile {
  readonly current: Rules;
  /** Reads the file now. @throws ConfigError when it does not hold; the rules before stay. */
  reload(): Promise<void>;
  close(): void;
}

/**
 * Reads and watches a rules file. `tell` hears of each change: that new rules hold, or why they do not.
 * @throws ConfigError when the first reading fails.
 */
export async function watchRules(path: string, tell: (message: string) => void): Promise<RulesFile> {
  let text = await readText(path);
  let current = parseRules(text, path);
  const reload = async (): Promise<void> => {
    const changed = await readText(path);
    if (changed === text) return;
    text = changed;
    current = parseRules(text, path);
    tell(`${path}: new rules hold`);
  };
  const tellWhyNot = (error: Error): void => tell(`${error.message}\nthe rules before stay`);
  let timer: NodeJS.Timeout | undefined;
  // The folder is watched: a file that is replaced by rename, and Kubernetes' links to a folder, are another file after.
  const watcher = watch(dirname(resolve(path)), { persistent: false }, (_, name) => {
    if (name !== basename(path) && name !== "..data") return;
    clearTimeout(timer);
    timer = setTimeout(() => void reload().catch(tellWhyNot), settleMs).unref();
  });
  return {
    get current() {
      return current;
    },
    reload,
    close: () => {
      clearTimeout(timer);
      watcher.close();
    },
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new ConfigError(`rules ${path}: cannot be read: ${(cause as Error).message}`, { cause });
  }
}
