/** Compares tensors with the rule of the reference cases. */

import { isFloat } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ParityCase, Tensors } from "./case.ts";

/** How one tensor came out. `error` ≤ `allowed` passes; NaN never does. */
export interface Comparison {
  readonly name: string;
  readonly error: number;
  readonly allowed: number;
  readonly passed: boolean;
  /** Why the tensor cannot be compared at all. */
  readonly problem?: string;
}

/**
 * max|actual − expected| against `outputs`·max(1, max|expected|), for gradients `grads`·max(0.01, max|expected|).
 * Pictures of a pipeline with its own tolerance: against its `max`, and the mean against `mean`; 8 bits against 1.
 */
export function compareCase({ expected, tolerance }: ParityCase, actual: Tensors): Comparison[] {
  return [...expected].map(([name, reference]) => {
    const value = actual.get(name);
    if (!value) return failed(name, "was not computed");
    if (value.shape.join() !== reference.shape.join()) {
      return failed(name, `has shape [${value.shape.join(", ")}], expected [${reference.shape.join(", ")}]`);
    }
    const image = tolerance.image?.[name.split(".")[0]!];
    if (image) return compareImages(name, value, reference, image);
    const isGradient = /(^|\.)grad(_input)?\./.test(name);
    const peak = largest(reference);
    const allowed = isGradient
      ? (tolerance.grads ?? tolerance.outputs) * Math.max(0.01, peak)
      : tolerance.outputs * Math.max(1, peak);
    return compare(name, value, reference, isFloat(reference.dtype) ? allowed : 0);
  });
}

const failed = (name: string, problem: string): Comparison => ({
  name,
  error: Number.POSITIVE_INFINITY,
  allowed: 0,
  passed: false,
  problem,
});

function compare(name: string, actual: Tensor, expected: Tensor, allowed: number): Comparison {
  let error = 0;
  for (let i = 0; i < expected.size; i++) {
    const difference = Math.abs(Number(actual.data[i]) - Number(expected.data[i]));
    if (!(difference <= error)) error = difference; // NaN stays
  }
  return { name, error, allowed, passed: error <= allowed };
}

/** Mean and maximum on one scale: the larger share of what is allowed counts. */
function compareImages(
  name: string,
  actual: Tensor,
  expected: Tensor,
  { max, mean }: { readonly max: number; readonly mean: number },
): Comparison {
  if (!isFloat(expected.dtype)) return compare(name, actual, expected, 1);
  let total = 0;
  for (let i = 0; i < expected.size; i++)
    total += Math.abs(Number(actual.data[i]) - Number(expected.data[i]));
  const worst = compare(name, actual, expected, max);
  const error = Math.max(worst.error, (total / expected.size / mean) * max);
  return { ...worst, error, passed: error <= max };
}

const largest = ({ data }: Tensor): number => {
  let peak = 0;
  for (let i = 0; i < data.length; i++) peak = Math.max(peak, Math.abs(Number(data[i])));
  return peak;
};
