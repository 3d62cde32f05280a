/** A cleaned data set of pictures and captions: WebDataset shards, what was left out, and a report. */

import { existsSync } from "node:fs";
import { appendFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ShardWriter } from "../data/write-shards.ts";
import { ConfigError } from "../errors.ts";
import { renameUnlessTaken } from "../store/folders.ts";
import { encodePng } from "../vision/encode.ts";
import { imageFormatOf } from "../vision/image-format.ts";
import { syncFile, syncFolder, temporaryName } from "../weights/atomic.ts";
import type { JudgedCaption, JudgedPicture } from "./capfilt.ts";

/** Captions left out, one JSON object on each line. */
const droppedFile = "dropped.jsonl";
export const reportFile = "report.json";

interface CaptionCount {
  judged: number;
  kept: number;
}

/** How much of a data set was kept. */
export interface CapFiltReport {
  /** Least probability of a caption that is kept. */
  readonly threshold: number;
  readonly pictures: CaptionCount;
  readonly original: CaptionCount;
  readonly synthetic: CaptionCount;
}

/** A folder that appears, whole, when it is finished. */
export class CapFiltOutput {
  readonly report: CapFiltReport;
  private readonly shards: ShardWriter;

  private constructor(
    private readonly folder: string,
    private readonly staging: string,
    private readonly columns: readonly string[],
    threshold: number,
  ) {
    const none = (): CaptionCount => ({ judged: 0, kept: 0 });
    this.report = { threshold, pictures: none(), original: none(), synthetic: none() };
    this.shards = new ShardWriter(staging);
  }

  /**
   * @param columns fields with the captions that were there
   * @throws ConfigError when the folder is there already.
   */
  static async create(folder: string, columns: readonly string[], threshold: number): Promise<CapFiltOutput> {
    if (existsSync(folder)) throw taken(folder);
    const staging = temporaryName(folder);
    await mkdir(staging, { recursive: true });
    return new CapFiltOutput(folder, staging, columns, threshold);
  }

  /** Keeps the captions that fit; a picture that has none of them is left out. */
  async add({ example, captions }: JudgedPicture): Promise<void> {
    const { threshold, pictures } = this.report;
    const kept = captions.filter(({ probability }) => probability >= threshold);
    for (const { origin } of captions) this.report[origin].judged++;
    for (const { origin } of kept) this.report[origin].kept++;
    pictures.judged++;
    await this.writeDropped(
      example.source,
      captions.filter((caption) => !kept.includes(caption)),
    );
    if (kept.length === 0) return;
    pictures.kept++;
    const loaded = await example.load();
    const bytes = loaded instanceof Uint8Array ? loaded : await encodePng(loaded);
    const fields = Object.entries(example.fields ?? {}).filter(([name]) => !this.columns.includes(name));
    const json = { ...Object.fromEntries(fields), ...captionFields(kept) };
    await this.shards.add({ [imageFormatOf(bytes)!]: bytes, json: Buffer.from(JSON.stringify(json)) });
  }

  /** Ends the shards, writes the report with `more` in it, and gives the folder its name. @throws ConfigError as `create`. */
  async finish(more: Readonly<Record<string, unknown>>): Promise<void> {
    await this.shards.close();
    const path = join(this.staging, reportFile);
    await writeFile(path, `${JSON.stringify({ ...this.report, ...more }, null, 2)}\n`);
    await syncFile(path);
    await syncFolder(this.staging);
    if (!(await renameUnlessTaken(this.staging, this.folder))) throw taken(this.folder);
  }

  /** Removes what was written so far. */
  async discard(): Promise<void> {
    await this.shards.close();
    await rm(this.staging, { recursive: true, force: true });
  }

  private async writeDropped(source: string, captions: readonly JudgedCaption[]): Promise<void> {
    const lines = captions.map((caption) => `${JSON.stringify({ source, ...caption })}\n`);
    if (lines.length > 0) await appendFile(join(this.staging, droppedFile), lines.join(""));
  }
}

const taken = (folder: string): ConfigError =>
  new ConfigError(`${folder}: is there already; name a folder that is not`);

const captionFields = (captions: readonly JudgedCaption[]): Record<string, unknown> => ({
  captions: captions.map(({ text }) => text),
  caption_origins: captions.map(({ origin }) => origin),
  match_probabilities: captions.map(({ probability }) => Number(probability.toFixed(4))),
});
