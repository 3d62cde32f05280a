/**
 * Writes an ONNX model with its weights, which pass through memory one at a time. Protobuf ends at 2 GB; larger models
 * have their weights in a file beside them, `<file>_data`.
 */

import type { FileHandle } from "node:fs/promises";
import { basename } from "node:path";
import protobuf from "protobufjs";
import { externalLocation, GraphProto, ModelProto, onnxType, TensorProto } from "../graph/onnx/schema.ts";
import { fillFileAtomic, writeFileAtomic, writeFully } from "../weights/atomic.ts";
import type { OnnxModel, OnnxTensor } from "./onnx-model.ts";
import type { FileWeight } from "./weights.ts";

export interface WriteOnnxOptions {
  /** Most bytes of one file; beyond it the weights get one of their own. Default 2·10⁹. */
  readonly maxFileBytes?: number;
}

/** Bytes at which weights of a file of their own begin are multiples of this, so that they can be mapped. */
const alignment = 4096;

/** Field numbers of ModelProto.graph, GraphProto.initializer and TensorProto.raw_data. */
const fields = { graph: 7, initializer: 5, rawData: 9 } as const;

/**
 * Writes `path`, and `<path>_data` where one file would be too large; the model's initializers without bytes are the
 * weights of their names. Returns the files' names.
 */
export async function writeOnnxFile(
  path: string,
  model: OnnxModel,
  weights: ReadonlyMap<string, FileWeight>,
  { maxFileBytes = 2e9 }: WriteOnnxOptions = {},
): Promise<string[]> {
  const inline = model.graph.initializer.filter(({ name }) => !weights.has(name));
  const head = { ...model, graph: { ...model.graph, initializer: inline } };
  const total = [...weights.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (total + encodedSize(head) > maxFileBytes) return writeApart(path, head, weights);
  await writeTogether(path, head, weights);
  return [basename(path)];
}

const encodedSize = (model: OnnxModel): number =>
  ModelProto.encode(ModelProto.fromObject(model)).finish().length;

/** The model, then its weights as further initializers of the same graph message. */
async function writeTogether(
  path: string,
  { graph, ...model }: OnnxModel,
  weights: ReadonlyMap<string, FileWeight>,
): Promise<void> {
  const graphBytes = GraphProto.encode(GraphProto.fromObject(graph)).finish();
  const heads = [...weights].map(([name, weight]) => tensorHead(name, weight));
  const tensors = [...weights.values()].reduce(
    (sum, { sizeBytes }, at) => sum + heads[at]!.length + sizeBytes,
    0,
  );
  await fillFileAtomic(path, async (handle) => {
    await writeFully(handle, ModelProto.encode(ModelProto.fromObject(model)).finish());
    await writeFully(handle, lengthTag(fields.graph, graphBytes.length + tensors));
    await writeFully(handle, graphBytes);
    for (const [at, weight] of [...weights.values()].entries()) {
      await writeFully(handle, heads[at]!);
      await writeFully(handle, await weight.read());
    }
  });
}

/** An initializer of a graph up to its bytes, which follow. */
function tensorHead(name: string, { dtype, shape, sizeBytes }: FileWeight): Uint8Array {
  const tensor = TensorProto.encode(
    TensorProto.fromObject({ name, dims: shape, data_type: onnxType(dtype) }),
  ).finish();
  const raw = lengthTag(fields.rawData, sizeBytes);
  return Buffer.concat([lengthTag(fields.initializer, tensor.length + raw.length + sizeBytes), tensor, raw]);
}

/** The tag and length that stand before the bytes of a field. */
const lengthTag = (field: number, length: number): Uint8Array =>
  protobuf.Writer.create()
    .uint32((field << 3) | 2)
    .uint32(length)
    .finish();

/** The model and its weights in two files. */
async function writeApart(
  path: string,
  { graph, ...model }: OnnxModel,
  weights: ReadonlyMap<string, FileWeight>,
): Promise<string[]> {
  const location = `${basename(path)}_data`;
  const external: OnnxTensor[] = [];
  await fillFileAtomic(`${path}_data`, async (handle) => {
    let offset = 0;
    for (const [name, weight] of weights) {
      offset += await pad(handle, offset);
      external.push(externalTensor(name, weight, location, offset));
      await writeFully(handle, await weight.read());
      offset += weight.sizeBytes;
    }
  });
  const whole = { ...model, graph: { ...graph, initializer: [...graph.initializer, ...external] } };
  await writeFileAtomic(path, ModelProto.encode(ModelProto.fromObject(whole)).finish());
  return [basename(path), location];
}

/** Writes zeros up to the next multiple of the alignment; returns how many. */
async function pad(handle: FileHandle, offset: number): Promise<number> {
  const count = (alignment - (offset % alignment)) % alignment;
  await writeFully(handle, new Uint8Array(count));
  return count;
}

const externalTensor = (
  name: string,
  { dtype, shape, sizeBytes }: FileWeight,
  location: string,
  offset: number,
): OnnxTensor => ({
  name,
  dims: shape,
  data_type: onnxType(dtype),
  data_location: externalLocation,
  external_data: Object.entries({ location, offset, length: sizeBytes }).map(([key, value]) => ({
    key,
    value: String(value),
  })),
});
