/**
 * A weight in integers, and what it does for the ops that use it as a weight.
 * K inner size, N columns, V rows.
 */

import type { Node } from "../node.ts";
import { mul, reshape, transpose } from "./core.ts";
import { gather } from "./indexing.ts";
import { matmul } from "./matmul.ts";
import {
  type BlockAttrs,
  blockMatmul,
  dequantizeLinear,
  integerMatmul,
  type Quantized,
} from "./quantized.ts";
import { cast } from "./select.ts";
import { unsqueeze } from "./shape.ts";

/** Each method gives the value of an op over this weight, undefined where there is none in integers. */
export interface IntegerWeight {
  /** x W. x [..., M, K]; the float weight is [K, N], or [N, K] where `isTransposed`, or kernels [N, ...] of K elements. */
  product(x: Node, isTransposed: boolean): Node | undefined;
  /** Rows of [V, D] at indices [...], as [..., D]. */
  rows(indices: Node): Node | undefined;
  /** The weight as a float, for ops that have no other way; undefined where that would be too slow. */
  dequantized(): Node | undefined;
}

export interface Int8Layout {
  /** Axis of the float weight along which each element has a scale of its own. */
  readonly axis: 0 | 1;
  /** Whether the integers are stored with the float weight's axes exchanged. */
  readonly isTransposed: boolean;
}

/** How a weight's other operand becomes integers. */
export type QuantizeInput = (x: Node) => Quantized;

/** A weight of int8 with zero point 0 and a scale for each row, column or kernel. Products are of integers. */
export class Int8Weight implements IntegerWeight {
  constructor(
    readonly values: Node,
    readonly scale: Node,
    private readonly layout: Int8Layout,
    protected readonly quantizeInput: QuantizeInput,
  ) {}

  product(x: Node, isTransposed: boolean): Node | undefined {
    const columns = this.columns(isTransposed);
    if (!columns) return undefined;
    const { values, scale, zeroPoint } = this.quantizeInput(x);
    return integerMatmul(values, columns, scale, this.scale, zeroPoint);
  }

  rows(indices: Node): Node | undefined {
    const { axis, isTransposed } = this.layout;
    if (axis !== 0 || isTransposed) return undefined;
    const scales = unsqueeze(gather(this.scale, indices), -1);
    return mul(cast(gather(this.values, indices), "float32"), scales);
  }

  dequantized(): Node {
    const { axis, isTransposed } = this.layout;
    const stored = dequantizeLinear(this.values, this.scale, undefined, isTransposed ? 1 - axis : axis);
    return isTransposed ? transpose(stored, [1, 0]) : stored;
  }

  /** The integers as [K, N] with a scale for each column; undefined where scales run along K. */
  protected columns(isTransposed: boolean): Node | undefined {
    if (this.layout.axis !== (isTransposed ? 0 : 1)) return undefined;
    const { values } = this;
    const matrix = values.rank === 2 ? values : reshape(values, [values.shape[0]!, -1]);
    return this.layout.isTransposed === isTransposed ? matrix : transpose(matrix, [1, 0]);
  }
}

/** The same in the form that other runtimes know: every operand is quantised and dequantised before a float op. */
export class QdqWeight extends Int8Weight {
  override product(x: Node, isTransposed: boolean): Node | undefined {
    const columns = this.columns(isTransposed);
    return columns && matmul(this.rounded(x), dequantizeLinear(columns, this.scale, undefined, 1));
  }

  private rounded(x: Node): Node {
    const { values, scale, zeroPoint } = this.quantizeInput(x);
    return dequantizeLinear(values, scale, zeroPoint);
  }
}

/** A matrix in blocks of 4 or 8 bits along the inner axis, which is read in place of a float one. */
export class BlockWeight implements IntegerWeight {
  constructor(
    readonly values: Node,
    readonly scale: Node,
    private readonly attrs: BlockAttrs,
    /** Axis of the float weight that becomes the columns. */
    private readonly axis: 0 | 1,
  ) {}

  product(x: Node, isTransposed: boolean): Node | undefined {
    return this.axis === (isTransposed ? 0 : 1)
      ? blockMatmul(x, this.values, this.scale, this.attrs)
      : undefined;
  }

  rows(): undefined {
    return undefined;
  }

  dequantized(): undefined {
    return undefined;
  }
}
