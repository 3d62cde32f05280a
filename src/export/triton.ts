/** A model repository of Triton Inference Server: `<name>/config.pbtxt` and `<name>/1/model.onnx`. */

import { ConfigError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import { inputName } from "../graph/node.ts";
import { plainSymbol } from "../graph/onnx/builder.ts";
import type { Dim, Shape } from "../tensor/dims.ts";
import type { DType } from "../tensor/dtype.ts";

/** Names of Triton's DataType. */
const dataTypes: Readonly<Partial<Record<DType, string>>> = {
  bool: "TYPE_BOOL",
  uint8: "TYPE_UINT8",
  uint16: "TYPE_UINT16",
  uint32: "TYPE_UINT32",
  uint64: "TYPE_UINT64",
  int8: "TYPE_INT8",
  int16: "TYPE_INT16",
  int32: "TYPE_INT32",
  int64: "TYPE_INT64",
  float16: "TYPE_FP16",
  float32: "TYPE_FP32",
  float64: "TYPE_FP64",
};

/** Rows that Triton joins into one batch at most, and how long it waits for them. */
const maxBatchSize = 32;
const queueDelayMicroseconds = 500;

interface TensorInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * The `config.pbtxt` of a graph. Where every tensor's first size is the batch, Triton joins requests and the batch is
 * left out of `dims`; else requests pass as they are. Sizes that vary are −1.
 * @throws ConfigError for a name that is no name of a Triton model.
 */
export function tritonConfig(name: string, { inputs, outputs }: Graph): string {
  if (!/^[\w.-]+$/.test(name)) {
    throw new ConfigError(
      `export: "${name}" is no name of a Triton model; use letters, digits, ".", "_" and "-"`,
    );
  }
  const fed = inputs.map((node) => ({ name: inputName(node), dtype: node.dtype, shape: node.shape }));
  const given = Object.entries(outputs).map(([output, { dtype, shape }]) => ({ name: output, dtype, shape }));
  const isBatched = hasBatch([...fed, ...given]);
  return [
    `name: "${name}"`,
    'backend: "onnxruntime"',
    `max_batch_size: ${isBatched ? maxBatchSize : 0}`,
    tensors("input", fed, isBatched),
    tensors("output", given, isBatched),
    ...(isBatched
      ? [`dynamic_batching {\n  max_queue_delay_microseconds: ${queueDelayMicroseconds}\n}`]
      : []),
    "",
  ].join("\n");
}

/** Whether all tensors begin with one and the same size that varies. */
function hasBatch(all: readonly TensorInfo[]): boolean {
  const first = all.map(({ shape: [dim = 1] }) => plainSymbol(dim));
  return first[0] !== undefined && first.every((symbol) => symbol === first[0]);
}

function tensors(field: string, infos: readonly TensorInfo[], isBatched: boolean): string {
  const entries = infos.map(({ name, dtype, shape }) => {
    const dims = (isBatched ? shape.slice(1) : shape).map(sizeOf);
    return `  {\n    name: "${name}"\n    data_type: ${dataTypes[dtype]}\n${dimsField(dims)}\n  }`;
  });
  return `${field} [\n${entries.join(",\n")}\n]`;
}

/** A tensor without sizes of its own, such as one number for each row, is a vector of one that is reshaped. */
const dimsField = (dims: readonly number[]): string =>
  dims.length > 0 ? `    dims: [ ${dims.join(", ")} ]` : "    dims: [ 1 ]\n    reshape { shape: [ ] }";

const sizeOf = (dim: Dim): number => (typeof dim === "number" ? dim : -1);
