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

/** max|actual − expected| against `outputs`·max(1, max|expected|), for gradients `grads`·max(0.01, max|expected|). */
export function compareCase({ expected, tolerance }: ParityCase, actual: Tensors): Comparison[] {
  return [...expected].map(([name, reference]) => {
    const value = actual.get(name);
    if (!value) return failed(name, "was not computed");
    if (value.shape.join() !== reference.shape.join()) {
      return failed(name, `has shape [${value.shape.join(", ")}], expected [${reference.shape.join(", ")}]`);
    }
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

const largest = ({ data }: Tensor): number => {
  let peak = 0;
  for (let i = 0; i < data.length; i++) peak = Math.max(peak, Math.abs(Number(data[i])));
  return peak;
};
