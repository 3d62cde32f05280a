/**
 * The folder of a search: a record of every finished trial, named by the hash of all that decides it, and the models.
 *
 *     <folder>/trials/<hash>.json, store/, runs/<student>/, report.html, lock
 */

import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { writeFileAtomic } from "../weights/atomic.ts";

const interval = z.tuple([z.number(), z.number()]).readonly();

const figuresSchema = z.object({
  accuracy: z.number(),
  accuracyInterval: interval,
  pointsLost: z.number(),
  pointsLostInterval: interval,
  latencyMs: z.number(),
  teacherLatencyMs: z.number(),
  itemsPerSecond: z.number(),
  teacherItemsPerSecond: z.number(),
  sizeBytes: z.number(),
  teacherSizeBytes: z.number(),
  millijoules: z.number(),
});

const trialSchema = z.object({
  /** What was tried, such as `layers 2, dynamic`. */
  name: z.string(),
  /** Folder of the model that it is, or that its variant belongs to. */
  model: z.string(),
  variant: z.string().optional(),
  figures: figuresSchema.optional(),
  /** Why it may not be chosen. */
  refused: z.string().optional(),
  /** Validation metric after a part of the training. */
  checkpoint: z.number().optional(),
});

export type Trial = z.infer<typeof trialSchema>;

export class TrialFolder {
  private constructor(
    readonly path: string,
    private readonly key: string,
  ) {}

  /**
   * Opens a folder for one search, which `key` stands for: teacher, data and settings of training.
   * @throws ConfigError when another process searches in it.
   */
  static async open(path: string, key: string): Promise<TrialFolder> {
    const own = resolve(path);
    await mkdir(join(own, "trials"), { recursive: true });
    await lock(join(own, "lock"));
    return new TrialFolder(own, key);
  }

  /** What was recorded of settings; else what `work` gives, which is then recorded. */
  async once(settings: unknown, work: () => Promise<Trial>): Promise<Trial> {
    const file = join(this.path, "trials", `${hashOf([this.key, settings])}.json`);
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text !== undefined) return trialSchema.parse(JSON.parse(text));
    const trial = await work();
    await writeFileAtomic(file, `${JSON.stringify(trial, null, 2)}\n`);
    return trial;
  }

  close(): Promise<void> {
    return rm(join(this.path, "lock"), { force: true });
  }
}

export const hashOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);

/** A file with the number of the process that searches. One of a process that has ended does not count. */
async function lock(path: string): Promise<void> {
  const take = (): Promise<boolean> =>
    writeFile(path, String(process.pid), { flag: "wx" }).then(
      () => true,
      () => false,
    );
  if (await take()) return;
  const owner = Number(await readFile(path, "utf8").catch(() => ""));
  if (!isRunning(owner)) {
    await rm(path, { force: true });
    if (await take()) return;
  }
  throw new ConfigError(
    `compress: process ${owner} searches in ${path.slice(0, -"/lock".length)}; wait for it, or give another --output`,
  );
}

function isRunning(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
