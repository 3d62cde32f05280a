/** The folder of a training run: checkpoints, the best model, logs and a report. All of it is written atomically. */

import { existsSync } from "node:fs";
import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import { syncFile, syncFolder, writeFileAtomic } from "../weights/atomic.ts";
import { type LogEntry, reportHtml } from "./report.ts";

/** Where a run stands. */
export interface RunState {
  /** Updates done. */
  readonly step: number;
  /** Updates in a row that were skipped. */
  readonly badSteps: number;
  readonly evaluationsSinceBest: number;
  /** Metrics of the best evaluation. */
  readonly best?: Readonly<Record<string, number>>;
}

/** What must be the same for a run to go on from a checkpoint. */
export type RunShape = Readonly<Record<string, number>>;

const stateFile = "run.json";
const checkpointName = (step: number): string => `step-${String(step).padStart(8, "0")}`;

export class RunFolder {
  private readonly checkpoints: string;
  /** The best model; a model folder. */
  readonly modelFolder: string;
  private readonly logFile: string;

  private constructor(readonly path: string) {
    this.checkpoints = join(path, "checkpoints");
    this.modelFolder = join(path, "best");
    this.logFile = join(path, "log.jsonl");
  }

  /** @throws ConfigError when the folder holds a run and `resume` is not asked for. */
  static async open(path: string, resume: boolean): Promise<RunFolder> {
    const folder = new RunFolder(resolve(path));
    if (!resume && existsSync(folder.logFile)) {
      throw new ConfigError(`${path}: holds a training run; resume it or choose another output folder`);
    }
    await mkdir(folder.checkpoints, { recursive: true });
    return folder;
  }

  /** The newest complete checkpoint. @throws ConfigError when it is of a run of another shape. */
  async newest(shape: RunShape): Promise<{ folder: string; state: RunState } | undefined> {
    const name = (await this.completeCheckpoints()).at(-1);
    if (!name) return undefined;
    const folder = join(this.checkpoints, name);
    const saved = JSON.parse(await readFile(join(folder, stateFile), "utf8")) as {
      state: RunState;
      shape: RunShape;
    };
    const odd = Object.keys(shape).find((key) => shape[key] !== saved.shape[key]);
    if (odd) {
      throw new ConfigError(
        `${folder}: was made with ${odd} ${saved.shape[odd]}, this run has ${shape[odd]}; resume with the same options and data`,
      );
    }
    return { folder, state: saved.state };
  }

  private async completeCheckpoints(): Promise<string[]> {
    const names = await readdir(this.checkpoints);
    return names.filter((name) => /^step-\d+$/.test(name)).sort();
  }

  /** Fills a new checkpoint beside the others, gives it its name when it is complete, and drops old ones. */
  async saveCheckpoint(
    state: RunState,
    shape: RunShape,
    keepLast: number,
    fill: (staging: string) => Promise<void>,
  ): Promise<string> {
    const target = join(this.checkpoints, checkpointName(state.step));
    await this.replace(target, async (staging) => {
      await fill(staging);
      await writeFile(join(staging, stateFile), JSON.stringify({ state, shape }, null, 2));
      await syncFile(join(staging, stateFile));
    });
    const names = await this.completeCheckpoints();
    for (const name of names.slice(0, -keepLast)) await rm(join(this.checkpoints, name), { recursive: true });
    return target;
  }

  /** Puts a new model in the place of the best one. */
  replaceModel(fill: (staging: string) => Promise<void>): Promise<void> {
    return this.replace(this.modelFolder, fill);
  }

  /** A folder appears under its name only when it is whole; a reader sees the old one or the new one. */
  private async replace(target: string, fill: (staging: string) => Promise<void>): Promise<void> {
    const [staging, old] = [`${target}.new`, `${target}.old`];
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging, { recursive: true });
    await fill(staging);
    await syncFolder(staging);
    await rm(old, { recursive: true, force: true });
    if (existsSync(target)) await rename(target, old);
    await rename(staging, target);
    await syncFolder(join(target, ".."));
    await rm(old, { recursive: true, force: true });
  }

  /** Keeps the log up to the given step, so that a resumed run does not repeat entries. */
  async startLogs(step: number): Promise<void> {
    const kept = (await this.entries()).filter((entry) => entry.step <= step);
    await writeFileAtomic(this.logFile, kept.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  }

  async log(entry: LogEntry): Promise<void> {
    await appendFile(this.logFile, `${JSON.stringify(entry)}\n`);
  }

  private async entries(): Promise<LogEntry[]> {
    if (!existsSync(this.logFile)) return [];
    const lines = (await readFile(this.logFile, "utf8")).split("\n").filter((line) => line.endsWith("}")); // a kill may cut the last
    return lines.map((line) => JSON.parse(line) as LogEntry);
  }

  /** Writes `log.csv` and `report.html` from the log. */
  async writeReport(title: string): Promise<void> {
    const entries = await this.entries();
    await writeFileAtomic(join(this.path, "log.csv"), csvOf(entries));
    await writeFileAtomic(join(this.path, "report.html"), reportHtml(title, entries));
  }
}

/** One row per entry; metrics in columns of their own. */
function csvOf(entries: readonly LogEntry[]): string {
  const rows = entries.map(({ metrics, classReport: _, ...rest }) => ({
    ...rest,
    ...Object.fromEntries(
      Object.entries(metrics ?? {}).map(([name, value]) => [`validation_${name}`, value]),
    ),
  })) as Record<string, unknown>[];
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = rows.map((row) => columns.map((column) => row[column] ?? "").join(","));
  return `${[columns.join(","), ...lines].join("\n")}\n`;
}
