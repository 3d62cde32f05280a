/** Whether a folder's `model.onnx` points at the weights that lie beside it. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WeightError } from "../errors.ts";
import { ModelProto, onnxType } from "../graph/onnx/schema.ts";
import { modelFile } from "../models/open.ts";
import { type Checkpoint, type CheckpointEntry, openCheckpoint } from "../weights/checkpoint.ts";

interface ExternalWeight {
  name: string;
  dims?: number[];
  data_type?: number;
  external_data?: { key: string; value?: string }[];
}

/**
 * ONNX Runtime refuses weights beyond a file's end; within it, wrong offsets would give wrong answers. So each must be
 * exactly a tensor of the checkpoint.
 * @throws WeightError naming the first that is not.
 */
export async function checkModelFile(folder: string): Promise<void> {
  const path = join(folder, modelFile);
  if (!existsSync(path)) return;
  const weights = externalWeights(await readFile(path), path);
  if (weights.length === 0) return;
  const checkpoint = await openCheckpoint(folder);
  try {
    const known = new Set([...checkpoint.entries].map(([, entry]) => keyOf(entry)));
    for (const weight of weights) checkWeight(weight, checkpoint, known, path);
  } finally {
    await checkpoint.close();
  }
}

function externalWeights(bytes: Uint8Array, path: string): ExternalWeight[] {
  try {
    const model = ModelProto.toObject(ModelProto.decode(bytes), { longs: Number }) as {
      graph?: { initializer?: ExternalWeight[] };
    };
    return (model.graph?.initializer ?? []).filter(({ external_data }) => external_data !== undefined);
  } catch (cause) {
    throw new WeightError(`${path}: is not an ONNX model (${(cause as Error).message})`, { cause });
  }
}

function checkWeight(
  { name, dims = [], data_type, external_data }: ExternalWeight,
  { entries }: Checkpoint,
  known: ReadonlySet<string>,
  path: string,
): void {
  const {
    location,
    offset = "0",
    length,
  } = Object.fromEntries((external_data ?? []).map(({ key, value }) => [key, value]));
  const entry = entries.get(name);
  const isThere = `${location} ${offset} ${length} [${dims}] ${data_type}`;
  if (entry ? keyOf(entry) === isThere : known.has(isThere)) return;
  throw new WeightError(
    `${path}: ${name}: points at ${location} from byte ${offset}, where the checkpoint has no such tensor; ` +
      `remove ${modelFile} and it is made anew`,
  );
}

const storedTypes: Readonly<Record<string, number>> = {
  F64: onnxType("float64"),
  F32: onnxType("float32"),
  F16: onnxType("float16"),
  BF16: onnxType("bfloat16"),
  I8: onnxType("int8"),
  U8: onnxType("uint8"),
};

const keyOf = ({ file, offset, sizeBytes, shape, dtype }: CheckpointEntry): string =>
  `${file} ${offset} ${sizeBytes} [${shape}] ${storedTypes[dtype]}`;
