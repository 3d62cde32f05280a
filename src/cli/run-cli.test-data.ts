/** Runs the built command line as a user would, in a process of its own. */

import { type ChildProcess, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** A way to run commands in a folder with a store of its own. */
export function cliIn(folder: string, env: Record<string, string> = {}) {
  const start = (args: readonly string[]): ChildProcess =>
    spawn(process.execPath, [main, ...args], {
      cwd: folder,
      env: { ...process.env, TESSERAE_HOME: `${folder}/home`, HF_HOME: `${folder}/hf`, ...env },
    });
  const run = async (args: readonly string[], input = ""): Promise<CliResult> => {
    const child = start(args);
    child.stdin!.end(input);
    return ended(child);
  };
  return { start, run };
}

/** What a process wrote and how it ended. */
export async function ended(child: ChildProcess): Promise<CliResult> {
  const code = new Promise<number | null>((resolve) => child.on("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  return { code: await code, stdout, stderr };
}
