/** Builds small ONNX models for tests, straight from the protobuf messages. */

import protobuf from "protobufjs";
import type { DType } from "../../src/tensor/dtype.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const { root } = protobuf.parse(
  `
  syntax = "proto3";
  message Model { int64 ir_version = 1; string producer_name = 2; Graph graph = 7; repeated Opset opset_import = 8; }
  message Opset { string domain = 1; int64 version = 2; }
  message Graph {
    repeated Node node = 1; string name = 2; repeated TensorData initializer = 5;
    repeated Value input = 11; repeated Value output = 12;
  }
  message Node {
    repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4;
    repeated Attribute attribute = 5; string domain = 7;
  }
  message Attribute { string name = 1; float f = 2; int64 i = 3; repeated int64 ints = 8; int32 type = 20; }
  message Value { string name = 1; Type type = 2; }
  message Type { TensorType tensor_type = 1; }
  message TensorType { int32 elem_type = 1; ShapeList shape = 2; }
  message ShapeList { repeated Dim dim = 1; }
  message Dim { oneof value { int64 dim_value = 1; string dim_param = 2; } }
  message TensorData {
    repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9;
    repeated Entry external_data = 13; int32 data_location = 14;
  }
  message Entry { string key = 1; string value = 2; }
`,
  { keepCase: true },
);
const Model = root.lookupType("Model");

/** ONNX's TensorProto.DataType numbers. */
const onnxTypes: Record<DType, number> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
};

/** A graph input or output: name, dtype and sizes, a string being a symbolic one. */
export type TestValue = readonly [name: string, dtype: DType, shape: readonly (number | string)[]];

export interface TestNode {
  op: string;
  inputs: readonly string[];
  outputs: readonly string[];
  ints?: Record<string, number>;
}

/** Weights that lie in another file: `offset` and `length` in bytes. */
export interface ExternalWeight {
  name: string;
  dtype: DType;
  shape: readonly number[];
  location: string;
  offset: number | string;
  length: number | string;
}

export interface TestModel {
  inputs: readonly TestValue[];
  outputs: readonly TestValue[];
  nodes: readonly TestNode[];
  weights?: Record<string, Tensor>;
  external?: readonly ExternalWeight[];
}

const valueInfo = ([name, dtype, shape]: TestValue) => ({
  name,
  type: {
    tensor_type: {
      elem_type: onnxTypes[dtype],
      shape: { dim: shape.map((dim) => (typeof dim === "number" ? { dim_value: dim } : { dim_param: dim })) },
    },
  },
});

const inlineWeight = (name: string, { dtype, shape, data }: Tensor) => ({
  name,
  dims: shape,
  data_type: onnxTypes[dtype],
  raw_data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
});

const externalWeight = ({ name, dtype, shape, location, offset, length }: ExternalWeight) => ({
  name,
  dims: shape,
  data_type: onnxTypes[dtype],
  data_location: 1,
  external_data: Object.entries({ location, offset, length }).map(([key, value]) => ({
    key,
    value: String(value),
  })),
});

const INT_ATTRIBUTE = 2;

/** The ONNX bytes of a model (opset 21, IR 10). */
export function onnxModel(model: TestModel): Uint8Array {
  const graph = {
    name: "test",
    node: model.nodes.map(({ op, inputs, outputs, ints = {} }, at) => ({
      name: `${op}_${at}`,
      op_type: op,
      input: inputs,
      output: outputs,
      attribute: Object.entries(ints).map(([name, i]) => ({ name, i, type: INT_ATTRIBUTE })),
    })),
    initializer: [
      ...Object.entries(model.weights ?? {}).map(([name, tensor]) => inlineWeight(name, tensor)),
      ...(model.external ?? []).map(externalWeight),
    ],
    input: model.inputs.map(valueInfo),
    output: model.outputs.map(valueInfo),
  };
  const message = Model.fromObject({ ir_version: 10, opset_import: [{ domain: "", version: 21 }], graph });
  return Uint8Array.from(Model.encode(message).finish());
}
