/**
 * The text form of a model: one BYTES tensor `inputs` with what `/v1/predict` takes, one BYTES tensor `outputs` with a JSON
 * document for each. A tensor of shape [] is one input, of any other shape a list, as a single input and a list differ
 * for a pipeline. Elements are texts, JSON objects or the files of pictures; under the tensor's parameter `content_type`
 * "json" they are JSON documents, so that a text which looks like an object is none.
 */

import { z } from "zod";
import { RequestError, RuntimeFailure } from "../../errors.ts";
import { withPictures } from "../image-body.ts";
import { type Limits, parseBody } from "../limits.ts";
import type { Question } from "../model-worker.ts";
import { parseAs, parseJson } from "./parse-as.ts";
import type { InferAnswer, InferRequest, NamedTensor, TensorMetadata, V2Parameters } from "./v2-messages.ts";
import { BytesTensor } from "./v2-tensors.ts";

const inputName = "inputs";
const outputName = "outputs";

/** What the metadata of a model says of its text form. */
export const textInput: TensorMetadata = { name: inputName, datatype: "BYTES", shape: [-1] };
export const textOutput: TensorMetadata = { name: outputName, datatype: "BYTES", shape: [-1] };

/** Parameters of the request that are not options of the task: more options as a JSON object, and another task. */
const moreOptions = "task_parameters";
const otherTask = "task";

export const isTextForm = ({ inputs }: InferRequest): boolean =>
  inputs.length === 1 && inputs[0]!.name === inputName && inputs[0]!.tensor instanceof BytesTensor;

/** The question of a request in the text form. @throws RequestError when an element or a parameter does not hold. */
export async function questionOf(
  { inputs: [given], outputs, parameters = {} }: InferRequest,
  readsPictures: boolean,
  limits: Limits,
  signal: AbortSignal,
): Promise<Question> {
  const unknown = outputs?.find((name) => name !== outputName);
  if (unknown !== undefined)
    throw new RequestError(`outputs: the text form has ${outputName} alone, got ${unknown.slice(0, 100)}`);
  const { shape, elements } = given!.tensor as BytesTensor;
  const read =
    given!.parameters?.content_type === "json" ? jsonOf : readsPictures ? pictureOrText : textOrObject;
  const items = elements.map(read);
  const inputs = shape.length === 0 ? items[0] : items;
  const { [moreOptions]: more, [otherTask]: task, ...options } = parameters;
  const question = { inputs, parameters: { ...options, ...optionsIn(more) } };
  const checked = readsPictures
    ? { ...question, inputs: await withPictures(inputs, limits, signal) }
    : parseBody(question, limits);
  const other = task === undefined ? {} : { task: String(task) };
  return { inputs: checked.inputs, parameters: checked.parameters, ...other };
}

/** A pipeline's result for a question as the answer's tensor. */
export function outputOf(result: unknown, { inputs: [given] }: InferRequest): NamedTensor {
  const { shape } = given!.tensor;
  const results = shape.length === 0 ? [result] : (result as unknown[]);
  const documents = results.map((each) => JSON.stringify(each));
  return { name: outputName, tensor: BytesTensor.ofTexts(shape, documents) };
}

/** A question as a request in the text form. */
export function requestOf({ inputs, parameters, task }: Question): InferRequest {
  const items = [inputs].flat();
  const areFiles = items.every((item) => item instanceof Uint8Array);
  const elements = areFiles ? items : items.map((item) => Buffer.from(JSON.stringify(item, asBase64)));
  const tensor = new BytesTensor(Array.isArray(inputs) ? [items.length] : [], elements);
  const content: V2Parameters = areFiles ? {} : { content_type: "json" };
  return {
    parameters: {
      [moreOptions]: JSON.stringify(parameters),
      ...(task !== undefined && { [otherTask]: task }),
    },
    inputs: [{ name: inputName, tensor, parameters: content }],
  };
}

/** The JSON text of the result in an answer in the text form. @throws RuntimeFailure when it has none. */
export function resultIn({ model, outputs }: InferAnswer): string {
  const tensor = outputs.find(({ name }) => name === outputName)?.tensor;
  if (!(tensor instanceof BytesTensor))
    throw new RuntimeFailure(`model ${model}: its answer has no BYTES tensor "${outputName}"`);
  const documents = tensor.texts();
  return tensor.shape.length === 0 ? documents[0]! : `[${documents.join(",")}]`;
}

function asBase64(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  const original = this[key]; // a Buffer has become an object by now
  return original instanceof Uint8Array ? Buffer.from(original).toString("base64") : value;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function textOf(element: Uint8Array, at: number): string {
  try {
    return decoder.decode(element);
  } catch (cause) {
    throw new RequestError(`${inputName}: element ${at + 1} must be UTF-8`, { cause });
  }
}

const jsonOf = (element: Uint8Array, at: number): unknown =>
  parseJson(`${inputName}: element ${at + 1}`, textOf(element, at));

/** A text that happens not to be JSON is a text, whatever it begins with. */
function textOrObject(element: Uint8Array, at: number): unknown {
  const text = textOf(element, at);
  return text.startsWith("{") && isJson(text) ? jsonOf(element, at) : text;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Files of pictures have bytes among their first that base64 and addresses have not. */
const pictureOrText = (element: Uint8Array, at: number): unknown =>
  element.subarray(0, 32).some((byte) => byte < 0x09 || byte > 0x7e) ? element : textOrObject(element, at);

const optionsIn = (json: unknown): object =>
  json === undefined ? {} : parseAs(z.record(z.string(), z.unknown()), parseJson(moreOptions, String(json)));
