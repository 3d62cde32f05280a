/**
 * Cases that every registered op must have. A case states its inputs and how the op is called; `check-ops.ts` derives
 * from it the finite-difference checks, the float32 check and the check with symbolic dimensions.
 */

import type { Node } from "../../src/graph/node.ts";
import { type Dim, type Shape, symbol } from "../../src/tensor/dims.ts";
import type { DType } from "../../src/tensor/dtype.ts";

/** Symbols that cases may use, and the sizes they are run with. */
export const symbolSizes = { batch: 2, length: 3 } as const;
export const B: Dim = symbol("batch");
export const T: Dim = symbol("length");

export interface CaseInput {
  readonly shape: Shape;
  /** Default: the floating dtype under test. */
  readonly dtype?: DType;
  /** Random floats are drawn from [low, high); default −1 and 1. */
  readonly low?: number;
  readonly high?: number;
  /** Given values in place of random ones. */
  readonly values?: readonly number[];
}

export interface OpCase {
  readonly title: string;
  readonly inputs: readonly CaseInput[];
  readonly build: (...inputs: Node[]) => Node | readonly Node[];
  /** Values of the first output, compared in place of gradients: for ops that have none, and for kinks. */
  readonly expected?: readonly number[];
  /** Step of the central difference; default 1e-5. */
  readonly step?: number;
  /** Largest difference between gradient and central difference, relative; default 1e-6. */
  readonly tolerance?: number;
}

/** Cases by the name of the op, or of the function over ops, that they check. */
export type CaseTable = Readonly<Record<string, readonly OpCase[]>>;

/** Random floats in [low, high). */
export const floats = (shape: Shape, low = -1, high = 1): CaseInput => ({ shape, low, high });

/** Given integers, int64 by default. */
export const ints = (shape: Shape, values: readonly number[], dtype: DType = "int64"): CaseInput => ({
  shape,
  values,
  dtype,
});

export const bools = (shape: Shape, values: readonly number[]): CaseInput => ({
  shape,
  values,
  dtype: "bool",
});

/** Given floats in the dtype under test. */
export const given = (shape: Shape, values: readonly number[]): CaseInput => ({ shape, values });
