/** Answers as bytes: JSON, or for arrays of numbers that are float32, such as embeddings, their shape and bits. */

const jsonTag = 0;
const float32Tag = 1;

export function encodeAnswer(answer: unknown): Uint8Array {
  const numbers = float32Of(answer);
  if (!numbers) return Buffer.concat([Buffer.of(jsonTag), Buffer.from(JSON.stringify(answer) ?? "null")]);
  const { shape, data } = numbers;
  const head = Buffer.alloc(2 + 4 * shape.length);
  head.writeUInt8(float32Tag, 0);
  head.writeUInt8(shape.length, 1);
  for (const [axis, size] of shape.entries()) head.writeUInt32LE(size, 2 + 4 * axis);
  return Buffer.concat([head, new Uint8Array(data.buffer)]);
}

/** Undoes `encodeAnswer`. @throws Error for bytes that it does not give. */
export function decodeAnswer(bytes: Uint8Array): unknown {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer[0] === jsonTag) return JSON.parse(buffer.toString("utf8", 1));
  if (buffer[0] !== float32Tag) throw new Error(`answer: unknown form ${buffer[0]}`);
  const rank = buffer.readUInt8(1);
  const shape = Array.from({ length: rank }, (_, axis) => buffer.readUInt32LE(2 + 4 * axis));
  const data = new Float32Array(new Uint8Array(buffer.subarray(2 + 4 * rank)).buffer);
  return nested(shape, data);
}

/** The numbers of nested arrays of one shape, when float32 holds each exactly. */
function float32Of(answer: unknown): { shape: number[]; data: Float32Array } | undefined {
  if (!Array.isArray(answer)) return undefined;
  const shape: number[] = [];
  for (let level: unknown = answer; Array.isArray(level); level = level[0]) shape.push(level.length);
  const values: number[] = [];
  const isUniform = (level: unknown, axis: number): boolean => {
    if (axis === shape.length) return typeof level === "number" && values.push(level) > 0;
    return (
      Array.isArray(level) && level.length === shape[axis] && level.every((item) => isUniform(item, axis + 1))
    );
  };
  if (shape.includes(0) || !isUniform(answer, 0)) return undefined;
  const data = Float32Array.from(values);
  return data.every((value, at) => value === values[at]) ? { shape, data } : undefined;
}

function nested([size = 0, ...rest]: readonly number[], data: Float32Array): unknown[] {
  if (rest.length === 0) return [...data];
  const step = data.length / size;
  return Array.from({ length: size }, (_, at) => nested(rest, data.subarray(at * step, (at + 1) * step)));
}
