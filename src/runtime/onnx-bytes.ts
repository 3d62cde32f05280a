/** The few ONNX messages that the runtime itself writes, as protobuf bytes. */

type Bytes = readonly number[];

/** A length-delimited field; bodies here are short, so every length fits in one byte. */
const field = (number: number, body: Bytes): Bytes => [(number << 3) | 2, body.length, ...body];
const integer = (number: number, value: number): Bytes => [number << 3, value];
const text = (number: number, value: string): Bytes => field(number, [...Buffer.from(value)]);

const FLOAT = integer(1, 1); // elem_type of a TypeProto.Tensor
const TENSOR = field(1, [...FLOAT, ...field(2, [])]); // TypeProto: a float scalar
const value = (name: string, type: Bytes): Bytes => [...text(1, name), ...field(2, type)];

/** A model of one Identity node (opset 13, IR 7) that any working provider can open. */
export const probeModel = Uint8Array.from([
  ...integer(1, 7),
  ...field(8, integer(2, 13)),
  ...field(7, [
    ...field(1, [...text(1, "x"), ...text(2, "y"), ...text(4, "Identity")]),
    ...text(2, "probe"),
    ...field(11, value("x", TENSOR)),
    ...field(12, value("y", TENSOR)),
  ]),
]);

/** Name of the output and the node that `withVoidOutput` adds. */
export const voidOutput = "tesserae.void";

const voidSequence = field(4, field(1, field(1, FLOAT))); // TypeProto: a sequence of float tensors
const voidPrefix = field(7, [
  ...field(1, [...text(2, voidOutput), ...text(3, voidOutput), ...text(4, "SequenceEmpty")]),
  ...field(12, value(voidOutput, voidSequence)),
]);

/**
 * The model with an empty sequence as its first output. It uses that protobuf merges a message that occurs twice, so
 * the model's bytes need no decoding. Needs opset 11 or later.
 */
export function withVoidOutput(model: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(voidPrefix.length + model.length);
  bytes.set(voidPrefix);
  bytes.set(model, voidPrefix.length);
  return bytes;
}
