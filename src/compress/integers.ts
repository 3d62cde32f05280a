/**
 * Weights as integers, on the host. A row, column or kernel has one scale, of which its largest magnitude is a whole
 * multiple; blocks have one each along the inner axis.
 */

import type { BlockPlan, Int8Plan, WeightPlan } from "../graph/passes/quantize.ts";
import { storedShapes } from "../graph/passes/quantize.ts";
import { float16ToNumber, sizeOf, Tensor } from "../tensor/tensor.ts";

/** A weight's integers and their scales, as a plan's parameters want them. */
export interface Integers {
  readonly values: Tensor;
  readonly scale: Tensor;
}

/** @param bits of int8 weights; blocks have those of their plan */
export function quantizeWeight(weight: Tensor, plan: WeightPlan, bits: 7 | 8): Integers {
  const floats = floatsOf(weight);
  return plan.kind === "int8"
    ? quantizeInt8(floats, weight.shape, plan, bits)
    : quantizeBlocks(floats, weight.shape, plan);
}

function floatsOf({ dtype, data }: Tensor): ArrayLike<number> {
  return dtype === "float16"
    ? Float32Array.from(data as Uint16Array, float16ToNumber)
    : (data as ArrayLike<number>);
}

function quantizeInt8(
  floats: ArrayLike<number>,
  shape: readonly number[],
  plan: Int8Plan,
  bits: 7 | 8,
): Integers {
  const stored = storedShapes(shape, plan);
  const values = new Int8Array(floats.length);
  const scale = new Float32Array(shape[plan.axis]!);
  const largest = 2 ** (bits - 1) - 1;
  const from = stepsOf(shape, plan.axis);
  const to = stepsOf(stored.values, plan.isTransposed ? 1 - plan.axis : plan.axis);
  const count = floats.length / scale.length;
  for (let channel = 0; channel < scale.length; channel++) {
    const [start, target] = [channel * from.channel, channel * to.channel];
    let most = 0;
    for (let at = 0; at < count; at++) most = Math.max(most, Math.abs(floats[start + at * from.element]!));
    const step = most / largest || 1;
    scale[channel] = step;
    for (let at = 0; at < count; at++)
      values[target + at * to.element] = Math.round(floats[start + at * from.element]! / step);
  }
  return {
    values: new Tensor("int8", stored.values, values),
    scale: new Tensor("float32", stored.scale, scale),
  };
}

/** How far apart channels along an axis lie, and the elements of one channel; along axis 1 only of matrices. */
const stepsOf = (shape: readonly number[], axis: number): { channel: number; element: number } =>
  axis === 0 ? { channel: sizeOf(shape.slice(1)), element: 1 } : { channel: 1, element: shape[1]! };

/** Blocks of `bits` with zero point 2^(bits − 1); of two 4-bit values in a byte the first is the lower half. */
function quantizeBlocks(floats: ArrayLike<number>, shape: readonly number[], plan: BlockPlan): Integers {
  const stored = storedShapes(shape, plan);
  const [columns, numBlocks, blockBytes] = stored.values as [number, number, number];
  const innerSize = shape[1 - plan.axis]!;
  const steps = stepsOf(shape, plan.axis);
  const values = new Uint8Array(sizeOf(stored.values));
  const scale = new Float32Array(columns * numBlocks);
  const zeroPoint = 2 ** (plan.bits - 1);
  for (let block = 0; block < columns * numBlocks; block++) {
    const column = Math.floor(block / numBlocks);
    const start = (block % numBlocks) * plan.blockSize;
    const length = Math.min(plan.blockSize, innerSize - start);
    const element = (at: number): number => floats[column * steps.channel + (start + at) * steps.element]!;
    const step = blockStep(element, length, zeroPoint);
    scale[block] = step;
    for (let at = 0; at < plan.blockSize; at++) {
      const rounded = at < length ? Math.round(element(at) / step) : 0;
      const code = Math.min(2 * zeroPoint - 1, rounded + zeroPoint);
      const byte = block * blockBytes + Math.floor((at * plan.bits) / 8);
      values[byte]! |= plan.bits === 4 && at % 2 === 1 ? code << 4 : code;
    }
  }
  return {
    values: new Tensor("uint8", stored.values, values),
    scale: new Tensor("float32", stored.scale, scale),
  };
}

/** The scale under which the element of the largest magnitude is −2^(bits − 1), the end of the range that is one longer. */
function blockStep(element: (at: number) => number, length: number, zeroPoint: number): number {
  let extreme = 0;
  for (let at = 0; at < length; at++) if (Math.abs(element(at)) > Math.abs(extreme)) extreme = element(at);
  return -extreme / zeroPoint || 1;
}
