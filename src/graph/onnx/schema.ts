/** The part of ONNX's protobuf messages that Tesserae writes and reads. Field numbers are those of onnx.proto. */

import protobuf from "protobufjs";
import type { DType } from "../../tensor/dtype.ts";

const proto = `
syntax = "proto3";
package onnx;
message AttributeProto {
  string name = 1;
  int32 type = 20;
  float f = 2;
  int64 i = 3;
  bytes s = 4;
  GraphProto g = 6;
  repeated float floats = 7;
  repeated int64 ints = 8;
}
message NodeProto {
  repeated string input = 1;
  repeated string output = 2;
  string name = 3;
  string op_type = 4;
  string domain = 7;
  repeated AttributeProto attribute = 5;
}
message StringStringEntryProto { string key = 1; string value = 2; }
message TensorProto {
  repeated int64 dims = 1;
  int32 data_type = 2;
  string name = 8;
  bytes raw_data = 9;
  repeated StringStringEntryProto external_data = 13;
  int32 data_location = 14;
}
message Dimension { int64 dim_value = 1; string dim_param = 2; }
message TensorShapeProto { repeated Dimension dim = 1; }
message TensorType { int32 elem_type = 1; TensorShapeProto shape = 2; }
message TypeProto { TensorType tensor_type = 1; }
message ValueInfoProto { string name = 1; TypeProto type = 2; }
message GraphProto {
  repeated NodeProto node = 1;
  string name = 2;
  repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11;
  repeated ValueInfoProto output = 12;
}
message OperatorSetIdProto { string domain = 1; int64 version = 2; }
message ModelProto {
  int64 ir_version = 1;
  string producer_name = 2;
  string producer_version = 3;
  GraphProto graph = 7;
  repeated OperatorSetIdProto opset_import = 8;
  repeated StringStringEntryProto metadata_props = 14;
}
`;

const { root } = protobuf.parse(proto, { keepCase: true });

/** ONNX's messages. */
export const ModelProto = root.lookupType("onnx.ModelProto");
export const GraphProto = root.lookupType("onnx.GraphProto");
export const TensorProto = root.lookupType("onnx.TensorProto");

/** AttributeProto.AttributeType. */
export const attributeType = { float: 1, int: 2, string: 3, graph: 5, floats: 6, ints: 7 } as const;

/** TensorProto.DataLocation.EXTERNAL. */
export const externalLocation = 1;

const dataTypes: Record<DType | "bfloat16", number> = {
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
  bfloat16: 16,
};

/** TensorProto.DataType of a dtype. */
export const onnxType = (dtype: DType | "bfloat16"): number => dataTypes[dtype];
