/** Messages of an ONNX model as plain objects, for what is put together of several encoded graphs. */

import type { Graph } from "../graph/graph.ts";
import { type EncodeOptions, encodeOnnx } from "../graph/onnx/encode.ts";
import { ModelProto } from "../graph/onnx/schema.ts";
import { packageVersion } from "../runtime/package-root.ts";

export interface OnnxTensor {
  name: string;
  readonly dims: readonly (number | object)[];
  readonly data_type: number;
  raw_data?: Uint8Array;
  external_data?: readonly { readonly key: string; readonly value: string }[];
  data_location?: number;
}

export interface OnnxValue {
  name: string;
  type?: { readonly tensor_type: { readonly elem_type: number; readonly shape?: object } };
}

export interface OnnxAttribute {
  readonly name: string;
  readonly type: number;
  readonly g?: OnnxGraph;
}

export interface OnnxOperation {
  name: string;
  readonly op_type: string;
  readonly domain?: string;
  input: string[];
  output: string[];
  attribute?: OnnxAttribute[];
}

export interface OnnxGraph {
  readonly name: string;
  readonly node: OnnxOperation[];
  readonly initializer: OnnxTensor[];
  readonly input: OnnxValue[];
  readonly output: OnnxValue[];
}

export interface OnnxModel {
  readonly opset_import: readonly { readonly domain?: string; readonly version: number | object }[];
  producer_version?: string;
  metadata_props?: readonly { readonly key: string; readonly value: string }[];
  graph: OnnxGraph;
}

/** A graph as ONNX messages. Its weights are initializers without bytes, of the given dtypes and shapes. */
export function toOnnxModel(graph: Graph, options: EncodeOptions): OnnxModel {
  const decoded = ModelProto.toObject(ModelProto.decode(encodeOnnx(graph, options)), { arrays: true });
  return decoded as OnnxModel;
}

/** The model with what it is said to be, and without the operator sets that it does not use. */
export function withMetadata(model: OnnxModel, properties: Readonly<Record<string, string>>): OnnxModel {
  const domains = domainsOf(model.graph);
  return {
    ...model,
    producer_version: packageVersion,
    metadata_props: Object.entries(properties).map(([key, value]) => ({ key, value })),
    opset_import: model.opset_import.filter(({ domain = "" }) => domain === "" || domains.has(domain)),
  };
}

const domainsOf = ({ node }: OnnxGraph): Set<string> =>
  new Set(
    node.flatMap(({ domain = "", attribute = [] }) => [
      domain,
      ...attribute.flatMap(({ g }) => (g ? [...domainsOf(g)] : [])),
    ]),
  );
