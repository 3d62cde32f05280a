/** A graph as an ONNX model: nodes in topological order, weights as inputs or as external data in a safetensors file. */

import { ShapeError } from "../../errors.ts";
import type { Shape } from "../../tensor/dims.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Graph, symbolSources, validate } from "../graph.ts";
import { inputName, type Node } from "../node.ts";
import { type AttributeValue, OnnxBuilder, type OnnxNode } from "./builder.ts";
import { lowerCalls } from "./lower.ts";
import { attributeType, externalLocation, ModelProto, onnxType } from "./schema.ts";

/** Where the bytes of a stored weight are. */
export interface ExternalTensor {
  /** File name relative to the model's folder. */
  readonly file: string;
  /** Absolute byte offset in the file. */
  readonly offset: number;
  readonly sizeBytes: number;
  /** Stored type; another floating type than the parameter's is cast when the model is loaded. */
  readonly dtype: DType | "bfloat16";
  readonly shape: readonly number[];
}

export interface EncodeOptions {
  /** Finds a parameter's stored bytes by name. Without it, parameters are inputs of the model. */
  readonly weights?: (name: string) => ExternalTensor;
}

/** Version of the ONNX operator set the lowerings are written for. */
export const opsetVersion = 21;

/** Serialised ONNX model of a graph. @throws ShapeError when the graph is not valid. */
export function encodeOnnx(graph: Graph, options: EncodeOptions = {}): Uint8Array {
  validate(graph);
  const builder = new OnnxBuilder(symbolSources(graph));
  const names = new Map<Node, string>();
  const external: object[] = [];
  for (const node of graph.inputs) names.set(node, inputName(node));
  for (const [node, name] of graph.parameters) {
    const stored = options.weights?.(name);
    names.set(node, stored ? storedParameter(builder, external, node, name, stored) : name);
  }
  lowerCalls(builder, Object.values(graph.outputs), names);
  const outputs = Object.entries(graph.outputs).map(([name, node]) => {
    builder.nodes.push({
      opType: "Identity",
      domain: "",
      name: `output_${name}`,
      inputs: [names.get(node)!],
      outputs: [name],
      attributes: {},
    });
    return valueInfo(name, node.dtype, node.shape);
  });
  const parameters = options.weights ? [] : [...graph.parameters];
  const model = {
    ir_version: 10,
    producer_name: "tesserae",
    opset_import: [
      { domain: "", version: opsetVersion },
      { domain: "com.microsoft", version: 1 },
    ],
    graph: {
      name: "tesserae",
      node: builder.nodes.map(nodeProto),
      initializer: [
        ...external,
        ...[...builder.initializers].map(([name, tensor]) => inlineTensor(name, tensor)),
      ],
      input: [
        ...graph.inputs.map((node) => valueInfo(inputName(node), node.dtype, node.shape)),
        ...parameters.map(([node, name]) => valueInfo(name, node.dtype, node.shape)),
      ],
      output: outputs,
    },
  };
  return ModelProto.encode(ModelProto.fromObject(model)).finish();
}

/** Declares an initializer in an external file; returns the name of its value in the parameter's dtype. */
function storedParameter(
  builder: OnnxBuilder,
  external: object[],
  node: Node,
  name: string,
  stored: ExternalTensor,
): string {
  if (stored.shape.join() !== node.shape.join()) {
    throw new ShapeError(
      `${name}: expected [${node.shape.join(", ")}], the checkpoint has [${stored.shape.join(", ")}]`,
    );
  }
  external.push({
    name,
    dims: stored.shape,
    data_type: onnxType(stored.dtype),
    data_location: externalLocation,
    external_data: [
      { key: "location", value: stored.file },
      { key: "offset", value: String(stored.offset) },
      { key: "length", value: String(stored.sizeBytes) },
    ],
  });
  return stored.dtype === node.dtype ? name : builder.cast(name, node.dtype);
}

const bytesOfTensor = ({ data }: Tensor): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

const inlineTensor = (name: string, tensor: Tensor): object => ({
  name,
  dims: tensor.shape,
  data_type: onnxType(tensor.dtype),
  raw_data: bytesOfTensor(tensor),
});

const valueInfo = (name: string, dtype: DType, shape: Shape): object => ({
  name,
  type: {
    tensor_type: {
      elem_type: onnxType(dtype),
      shape: {
        dim: shape.map((dim) => (typeof dim === "number" ? { dim_value: dim } : { dim_param: dim.text })),
      },
    },
  },
});

const nodeProto = ({ opType, domain, name, inputs, outputs, attributes }: OnnxNode): object => ({
  op_type: opType,
  domain,
  name,
  input: inputs,
  output: outputs,
  attribute: Object.entries(attributes).map(([key, value]) => ({ name: key, ...attributeProto(value) })),
});

function attributeProto(value: AttributeValue): object {
  if (typeof value === "number") return { type: attributeType.int, i: value };
  if (typeof value === "string") return { type: attributeType.string, s: new TextEncoder().encode(value) };
  if ("float" in value) return { type: attributeType.float, f: value.float };
  if ("dtype" in value) return { type: attributeType.int, i: onnxType(value.dtype) };
  return { type: attributeType.ints, ints: [...value] };
}
