/** Whether training waits for pictures: the training loop over JPEG shards, and over ready tensors. */

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ShardWriter } from "../src/data/write-shards.ts";
import type { ConfigJson } from "../src/models/config.ts";
import { copyTensor } from "../src/runtime/wire.ts";
import type { ChannelValues } from "../src/tasks/image-preprocessor.ts";
import { type PreparedImages, prepareImages } from "../src/tasks/image-training.ts";
import { Random } from "../src/tensor/random.ts";
import type { Batch } from "../src/train/step.ts";
import type { Dataset } from "../src/train/task.ts";
import { fit } from "../src/train/trainer.ts";
import { median } from "./peer.ts";
import { readPhotos } from "./photos.ts";
import { visionModels } from "./vision-models.ts";

export interface Feeding {
  /** Pictures of a batch. */
  readonly batch: number;
  /** Trainings from each source, in turn. */
  readonly runs: number;
  /** Folder that holds coco_mini/. */
  readonly data: string;
}

/** Updates of one training; those until everything is warm are not counted. */
const [steps, warmup] = [16, 4];
const classes = 10;
const half: ChannelValues = [0.5, 0.5, 0.5];

/** Pictures per second of both sources, and how much of what memory gives the shards give. */
export async function feedingRow(model: string, { batch, runs, data }: Feeding): Promise<string[]> {
  const scratch = await mkdtemp(join(tmpdir(), "tesserae-feeding-"));
  try {
    const shards = join(scratch, "shards");
    await writeShards(shards, await readPhotos(data, batch * steps));
    const { config } = visionModels[model]!;
    const files = { trainPath: shards, validationPath: shards };
    const prepare = () => prepareImages("image-classification", files, config, { mean: half, std: half });
    const { task, train } = await prepare();
    const memory = await inMemory(train, batch);
    const times: { shards: number[]; memory: number[] } = { shards: [], memory: [] };
    for (let run = 0; run < runs; run++) {
      const fresh = await prepare(); // decoded pictures are kept: one pass each, so that all are decoded
      const training = { task, config, batch, output: join(scratch, "run") };
      times.shards.push(...(await stepTimes({ ...training, train: fresh.train })));
      times.memory.push(...(await stepTimes({ ...training, train: memory })));
    }
    const [fromShards, fromMemory] = [batch / median(times.shards), batch / median(times.memory)];
    const ratio = (fromShards / fromMemory).toFixed(2);
    return [`${model}, batch ${batch}`, fromShards.toFixed(1), fromMemory.toFixed(1), ratio];
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function writeShards(folder: string, photos: readonly Uint8Array[]): Promise<void> {
  await mkdir(folder);
  const writer = new ShardWriter(folder);
  for (const [at, jpg] of photos.entries()) await writer.add({ jpg, cls: Buffer.from(`${at % classes}`) });
  await writer.close();
}

/** Copies of four batches of the pictures, again and again: a batch moves to the thread that trains. */
async function inMemory(train: Dataset, batch: number): Promise<Dataset> {
  const random = new Random(0);
  const ready: Batch[] = [];
  for (let at = 0; at < 4; at++) {
    const indices = Array.from({ length: batch }, (_, offset) => at * batch + offset);
    ready.push(await train.collate(indices, 1, random, 0));
  }
  let next = 0;
  const collate = (): Batch => {
    const batch = Object.entries(ready[next++ % ready.length]!);
    return Object.fromEntries(batch.map(([name, tensor]) => [name, copyTensor(tensor)]));
  };
  return { ...train, collate };
}

interface Training extends Pick<PreparedImages, "task"> {
  readonly config: ConfigJson;
  readonly train: Dataset;
  readonly batch: number;
  readonly output: string;
}

/** Seconds between the ends of updates of a new training, which is one pass over the data. */
async function stepTimes({ task, config, train, batch, output }: Training): Promise<number[]> {
  const ends: number[] = [];
  await fit(
    { config: { ...config, ...task.config }, task, train, output, options: { epochs: 1, batchSize: batch } },
    { onEvent: ({ kind }) => void (kind === "step" && ends.push(performance.now())) },
  );
  await rm(output, { recursive: true });
  const seconds = ends.slice(1).map((end, at) => (end - ends[at]!) / 1000);
  return seconds.slice(warmup);
}
