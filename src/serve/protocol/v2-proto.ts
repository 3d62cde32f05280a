/** The gRPC service of proto/open_inference.proto, and how its messages stand for ours. */

import { fileURLToPath } from "node:url";
import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { RequestError } from "../../errors.ts";
import { packageUrl } from "../../runtime/package-root.ts";
import { isBigInt } from "../../tensor/dtype.ts";
import { sizeOf } from "../../tensor/tensor.ts";
import type { InferAnswer, InferRequest, NamedTensor, V2Parameters } from "./v2-messages.ts";
import {
  BytesTensor,
  bytesOfTensor,
  datatypeOf,
  dtypeOf,
  tensorOfBytes,
  tensorOfNumbers,
  type V2Tensor,
} from "./v2-tensors.ts";

/** Names as in the file; 64-bit integers are texts, since numbers would lose bits. */
const loading = { keepCase: true, longs: String, defaults: true, arrays: true, oneofs: true } as const;

/** A service of a schema in `proto/`. */
export function loadService(file: string, packageName: string, service: string): ServiceClientConstructor {
  const path = fileURLToPath(packageUrl(`proto/${file}`));
  let scope: GrpcObject = loadPackageDefinition(loadSync(path, loading));
  for (const name of packageName.split(".")) scope = scope[name] as GrpcObject;
  return scope[service] as ServiceClientConstructor;
}

/** A client class, whose `service` is the definition that a server implements. */
export const V2Service = loadService("open_inference.proto", "inference", "GRPCInferenceService");

interface ParameterMessage {
  readonly parameter_choice?: string;
  readonly bool_param?: boolean;
  readonly int64_param?: string;
  readonly string_param?: string;
  readonly double_param?: number;
  readonly uint64_param?: string;
}

type ParameterMessages = Readonly<Record<string, ParameterMessage>>;

interface ContentsMessage {
  readonly bool_contents?: readonly boolean[];
  readonly int_contents?: readonly number[];
  readonly int64_contents?: readonly string[];
  readonly uint_contents?: readonly number[];
  readonly uint64_contents?: readonly string[];
  readonly fp32_contents?: readonly number[];
  readonly fp64_contents?: readonly number[];
  readonly bytes_contents?: readonly Uint8Array[];
}

interface TensorMessage {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly (string | number)[];
  readonly parameters?: ParameterMessages;
  readonly contents?: ContentsMessage | null;
}

export interface InferRequestMessage {
  readonly model_name: string;
  readonly model_version?: string;
  readonly id?: string;
  readonly parameters?: ParameterMessages;
  readonly inputs: readonly TensorMessage[];
  readonly outputs?: readonly { readonly name: string }[];
  readonly raw_input_contents: readonly Uint8Array[];
}

export interface InferAnswerMessage {
  readonly model_name: string;
  readonly model_version: string;
  readonly id?: string;
  readonly parameters?: ParameterMessages;
  readonly outputs: readonly TensorMessage[];
  readonly raw_output_contents: readonly Uint8Array[];
}

/** @throws RequestError that names the tensor that does not hold. */
export const requestOfMessage = (message: InferRequestMessage): InferRequest => ({
  id: message.id,
  parameters: parametersOf(message.parameters),
  inputs: tensorsOf(message.inputs, message.raw_input_contents),
  outputs: message.outputs?.length ? message.outputs.map(({ name }) => name) : undefined,
});

/** All tensors as raw contents, which cost no conversion. */
export const messageOfRequest = (
  model: string,
  version: string,
  { id, parameters, inputs, outputs = [] }: InferRequest,
): InferRequestMessage => ({
  model_name: model,
  model_version: version,
  id: id ?? "",
  parameters: parameterMessages(parameters),
  inputs: inputs.map(messageOfTensor),
  outputs: outputs.map((name) => ({ name })),
  raw_input_contents: inputs.map(({ tensor }) => bytesOfTensor(tensor)),
});

/** @throws RequestError when a tensor is not what it says. */
export const answerOfMessage = (message: InferAnswerMessage): InferAnswer => ({
  model: message.model_name,
  version: message.model_version,
  id: message.id === "" ? undefined : message.id,
  parameters: parametersOf(message.parameters),
  outputs: tensorsOf(message.outputs, message.raw_output_contents),
});

export const messageOfAnswer = ({
  model,
  version,
  id,
  parameters,
  outputs,
}: InferAnswer): InferAnswerMessage => ({
  model_name: model,
  model_version: version,
  id: id ?? "",
  parameters: parameterMessages(parameters),
  outputs: outputs.map(messageOfTensor),
  raw_output_contents: outputs.map(({ tensor }) => bytesOfTensor(tensor)),
});

const messageOfTensor = ({ name, tensor, parameters }: NamedTensor): TensorMessage => ({
  name,
  datatype: datatypeOf(tensor),
  shape: tensor.shape,
  parameters: parameterMessages(parameters),
});

function tensorsOf(messages: readonly TensorMessage[], raw: readonly Uint8Array[]): NamedTensor[] {
  if (raw.length > 0 && raw.length !== messages.length) {
    throw new RequestError(
      `raw contents: must be there for each of the ${messages.length} tensors or for none, got ${raw.length}`,
    );
  }
  return messages.map(({ name, datatype, shape: sizes, parameters, contents }, at) => {
    const where = `tensor "${name.slice(0, 100)}"`;
    const shape = sizes.map(Number);
    if (shape.length > 16 || !shape.every((size) => Number.isSafeInteger(size) && size >= 0))
      throw new RequestError(
        `${where}: a shape is up to 16 whole numbers from 0, got [${sizes.slice(0, 20)}]`,
      );
    const tensor =
      raw.length > 0
        ? tensorOfBytes(where, datatype, shape, raw[at]!)
        : tensorOfContents(where, datatype, shape, contents ?? {});
    return { name, tensor, parameters: parametersOf(parameters) };
  });
}

/** The field of contents that holds elements of each datatype; 16-bit floats have none. */
const contentsFields: Readonly<Record<string, keyof ContentsMessage>> = {
  BOOL: "bool_contents",
  INT8: "int_contents",
  INT16: "int_contents",
  INT32: "int_contents",
  INT64: "int64_contents",
  UINT8: "uint_contents",
  UINT16: "uint_contents",
  UINT32: "uint_contents",
  UINT64: "uint64_contents",
  FP32: "fp32_contents",
  FP64: "fp64_contents",
  BYTES: "bytes_contents",
};

function tensorOfContents(
  where: string,
  datatype: string,
  shape: readonly number[],
  contents: ContentsMessage,
): V2Tensor {
  const dtype = dtypeOf(datatype, where);
  const field = contentsFields[datatype];
  if (!field) throw new RequestError(`${where}: ${datatype} must be given as raw contents`);
  const values = contents[field] ?? [];
  if (values.length !== sizeOf(shape)) {
    throw new RequestError(
      `${where}: shape [${shape}] has ${sizeOf(shape)} elements, got ${values.length} in ${field}`,
    );
  }
  if (!dtype) return new BytesTensor(shape, values as Uint8Array[]);
  const numbers = isBigInt(dtype) ? (values as string[]).map(BigInt) : (values as number[]);
  return tensorOfNumbers(where, dtype, shape, numbers);
}

function parametersOf(messages: ParameterMessages = {}): V2Parameters | undefined {
  const entries = Object.entries(messages).map(([name, message]) => [name, choiceOf(message)] as const);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function choiceOf(message: ParameterMessage): string | number | boolean {
  const { bool_param, int64_param, string_param, double_param, uint64_param } = message;
  const whole = int64_param ?? uint64_param;
  return bool_param ?? string_param ?? double_param ?? Number(whole ?? 0);
}

const parameterMessages = (parameters: V2Parameters = {}): ParameterMessages =>
  Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, messageOfValue(value)]));

function messageOfValue(value: string | number | boolean): ParameterMessage {
  if (typeof value === "boolean") return { bool_param: value };
  if (typeof value === "string") return { string_param: value };
  return Number.isSafeInteger(value) ? { int64_param: String(value) } : { double_param: value };
}
