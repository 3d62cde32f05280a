/**
 * Bodies of the Open Inference Protocol over HTTP: JSON, behind which tensors may stand in their binary form (the binary
 * tensor data extension). Requests and answers spell tensors alike, so servers and clients share this file.
 */

import { z } from "zod";
import { RequestError } from "../../errors.ts";
import { isFloat } from "../../tensor/dtype.ts";
import { sizeOf } from "../../tensor/tensor.ts";
import { parseAs, parseJson } from "./parse-as.ts";
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

/** The header that says how many bytes of a body are JSON, when tensors follow it. */
export const jsonLengthHeader = "inference-header-content-length";

export const parametersSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

export const tensorSchema = z.object({
  name: z.string(),
  shape: z.array(z.int().nonnegative()).max(16),
  datatype: z.string(),
  parameters: parametersSchema.optional(),
  /** Flat or nested, row by row; absent where the binary form follows. */
  data: z.array(z.unknown()).optional(),
});

export const requestSchema = z.object({
  id: z.string().optional(),
  parameters: parametersSchema.optional(),
  inputs: z.array(tensorSchema).min(1),
  outputs: z.array(z.object({ name: z.string(), parameters: parametersSchema.optional() })).optional(),
});

export const answerSchema = z.object({
  model_name: z.string(),
  model_version: z.string().optional(),
  id: z.string().optional(),
  parameters: parametersSchema.optional(),
  outputs: z.array(tensorSchema),
});

type JsonTensor = z.infer<typeof tensorSchema>;

/** A request and which of its outputs are wanted in binary form. */
export interface ParsedRequest {
  readonly request: InferRequest;
  wantsBinary(output: string): boolean;
}

/** A body: JSON, or with tensors behind the first `jsonBytes` bytes. */
export interface EncodedBody {
  readonly body: Uint8Array;
  /** Undefined where all is JSON. */
  readonly jsonBytes?: number;
}

/** @throws RequestError that names the field or the tensor that does not hold. */
export function parseRequest(json: unknown, binary: Uint8Array = new Uint8Array()): ParsedRequest {
  const { id, parameters, inputs, outputs } = parseAs(requestSchema, json);
  const wanted = new Map(outputs?.map((output) => [output.name, output.parameters?.binary_data]));
  return {
    request: {
      id,
      parameters: without(parameters, "binary_data_output"),
      inputs: parseTensors(inputs, binary),
      outputs: outputs?.map(({ name }) => name),
    },
    wantsBinary: (name) => Boolean(wanted.get(name) ?? parameters?.binary_data_output ?? false),
  };
}

/** @throws RequestError when it is no answer of the protocol. */
export function parseAnswer(json: unknown, binary: Uint8Array = new Uint8Array()): InferAnswer {
  const { id, parameters, outputs, model_name, model_version = "" } = parseAs(answerSchema, json);
  return {
    model: model_name,
    version: model_version,
    id,
    parameters,
    outputs: parseTensors(outputs, binary),
  };
}

/** All tensors in binary form, and the answer's wanted so too. */
export function encodeRequest({ id, parameters, inputs, outputs }: InferRequest): EncodedBody {
  const { json, parts } = encodeTensors(inputs, () => true);
  return join(
    {
      id,
      parameters: { ...parameters, binary_data_output: true },
      inputs: json,
      outputs: outputs?.map((name) => ({ name })),
    },
    parts,
  );
}

export function encodeAnswer(
  { model, version, id, parameters, outputs }: InferAnswer,
  wantsBinary: (output: string) => boolean,
): EncodedBody {
  const { json, parts } = encodeTensors(outputs, wantsBinary);
  return join(
    {
      model_name: model,
      ...(version !== "" && { model_version: version }),
      id,
      parameters,
      outputs: json,
    },
    parts,
  );
}

/**
 * Splits a body at the length that its header gives.
 * @throws RequestError when the header is no length within the body, or the JSON is broken.
 */
export function splitBody(body: Uint8Array, header: string | undefined): [json: unknown, binary: Uint8Array] {
  const jsonBytes = header === undefined ? body.length : Number(header);
  if (!Number.isInteger(jsonBytes) || jsonBytes < 0 || jsonBytes > body.length) {
    throw new RequestError(
      `${jsonLengthHeader}: expected the bytes of JSON among the body's ${body.length}, got ${header?.slice(0, 40)}`,
    );
  }
  return [parseJson("body", Buffer.from(body.subarray(0, jsonBytes)).toString()), body.subarray(jsonBytes)];
}

function parseTensors(tensors: readonly JsonTensor[], binary: Uint8Array): NamedTensor[] {
  let at = 0;
  const parsed = tensors.map(({ name, parameters, ...described }) => {
    const where = `tensor "${name.slice(0, 100)}"`;
    const sizeBytes = parameters?.binary_data_size;
    const rest = without(parameters, "binary_data_size");
    if (sizeBytes === undefined) return { name, tensor: tensorOfJson(where, described), parameters: rest };
    const end = typeof sizeBytes === "number" && sizeBytes >= 0 ? at + sizeBytes : Number.NaN;
    if (!(end <= binary.length)) {
      throw new RequestError(
        `${where}: binary_data_size ${sizeBytes} does not fit in the ${binary.length} bytes behind the JSON`,
      );
    }
    const bytes = binary.subarray(at, end);
    at = end;
    return {
      name,
      tensor: tensorOfBytes(where, described.datatype, described.shape, bytes),
      parameters: rest,
    };
  });
  if (at === binary.length) return parsed;
  throw new RequestError(
    `body: ${binary.length - at} bytes behind the JSON belong to no tensor; give each its binary_data_size`,
  );
}

type DescribedTensor = Omit<JsonTensor, "name" | "parameters">;

function tensorOfJson(where: string, { datatype, shape, data }: DescribedTensor): V2Tensor {
  if (!data) throw new RequestError(`${where}: needs data, or its binary form behind the JSON`);
  const dtype = dtypeOf(datatype, where);
  const flat: unknown[] = data.flat(Math.max(1, shape.length));
  if (flat.length !== sizeOf(shape)) {
    throw new RequestError(`${where}: shape [${shape}] has ${sizeOf(shape)} elements, got ${flat.length}`);
  }
  if (!dtype) return BytesTensor.ofTexts(shape, allOf(where, "texts", flat, isText));
  if (dtype === "bool")
    return tensorOfNumbers(where, dtype, shape, allOf(where, "true or false", flat, isBool).map(Number));
  const numbers = isFloat(dtype)
    ? allOf(where, "numbers", flat, isNumber)
    : allOf(where, "whole numbers below 2^53", flat, isWhole);
  return tensorOfNumbers(where, dtype, shape, numbers);
}

const isText = (value: unknown): value is string => typeof value === "string";
const isNumber = (value: unknown): value is number => typeof value === "number";
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);
const isBool = (value: unknown): value is boolean | 0 | 1 =>
  typeof value === "boolean" || value === 0 || value === 1;

function allOf<T>(where: string, what: string, values: unknown[], is: (value: unknown) => value is T): T[] {
  const wrong = values.findIndex((value) => !is(value));
  if (wrong < 0) return values as T[];
  const got = JSON.stringify(values[wrong])?.slice(0, 40);
  throw new RequestError(`${where}: its data must be ${what}, got ${got} at element ${wrong + 1}`);
}

function encodeTensors(
  tensors: readonly NamedTensor[],
  asBinary: (name: string) => boolean,
): { json: unknown[]; parts: Uint8Array[] } {
  const parts: Uint8Array[] = [];
  const json = tensors.map(({ name, tensor, parameters }) => {
    const head = { name, shape: tensor.shape, datatype: datatypeOf(tensor) };
    if (!asBinary(name)) return { ...head, parameters, data: jsonData(tensor) };
    const bytes = bytesOfTensor(tensor);
    parts.push(bytes);
    return { ...head, parameters: { ...parameters, binary_data_size: bytes.length } };
  });
  return { json, parts };
}

function jsonData(tensor: V2Tensor): unknown[] {
  if (tensor instanceof BytesTensor) return tensor.texts();
  const numbers = tensor.toNumbers();
  return tensor.dtype === "bool" ? numbers.map(Boolean) : numbers;
}

function join(json: object, parts: readonly Uint8Array[]): EncodedBody {
  const head = Buffer.from(JSON.stringify(json));
  return parts.length === 0
    ? { body: head }
    : { body: Buffer.concat([head, ...parts]), jsonBytes: head.length };
}

/** The parameters but one, undefined where none are left. */
function without(parameters: V2Parameters | undefined, name: string): V2Parameters | undefined {
  const { [name]: _, ...rest } = parameters ?? {};
  return Object.keys(rest).length > 0 ? rest : undefined;
}
