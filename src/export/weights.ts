/** The weights of exported files, out of the model's checkpoint. */

import { type Integers, quantizeWeight } from "../compress/integers.ts";
import { WeightError } from "../errors.ts";
import { type QuantizationPlan, quantizedNames, type WeightPlan } from "../graph/passes/quantize.ts";
import type { Architecture } from "../models/model.ts";
import { matchCheckpoint } from "../models/open.ts";
import { bytesOf, type DType } from "../tensor/dtype.ts";
import { sizeOf, Tensor } from "../tensor/tensor.ts";
import { type Checkpoint, openCheckpoint } from "../weights/checkpoint.ts";
import type { Layout } from "./layout.ts";

/** A weight as a file has it. */
export interface FileWeight {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  read(): Promise<Uint8Array>;
}

/** Seven bits: a file is for any CPU, also for those whose sums of two products in 16 bits saturate with eight. */
const int8Bits = 7;

/** The checkpoint of a folder. */
export class WeightSource {
  private lastIntegers: { readonly plan: WeightPlan; readonly integers: Integers } | undefined;

  private constructor(
    private readonly checkpoint: Checkpoint,
    private readonly where: string,
  ) {}

  /** @throws WeightError when the folder has no weights. */
  static async open(folder: string): Promise<WeightSource> {
    return new WeightSource(await openCheckpoint(folder), folder);
  }

  /** Weights of an architecture's graphs, by name. @throws WeightError when the checkpoint lacks one. */
  weightsOf(
    architecture: Architecture,
    layouts: ReadonlyMap<string, Layout>,
    plan: QuantizationPlan,
  ): Map<string, FileWeight> {
    const entries = matchCheckpoint(architecture, this.checkpoint);
    const parts = integerParts(plan);
    return new Map(
      [...layouts].map(([name, { node, isTransposed }]) => {
        const part = parts.get(name);
        const stored = entries.get(part?.weight ?? name)?.storedName;
        if (stored === undefined)
          throw new WeightError(`${this.where}: lacks the weight ${name}; export a complete checkpoint`);
        const { dtype } = node;
        const shape = node.shape as readonly number[];
        const read = async (): Promise<Uint8Array> => {
          const tensor = part ? await this.integersOf(stored, part) : await this.checkpoint.read(stored);
          return bytes(inType(isTransposed ? transposed(tensor) : tensor, dtype));
        };
        return [name, { dtype, shape, sizeBytes: sizeOf(shape) * bytesOf(dtype), read }];
      }),
    );
  }

  close(): Promise<void> {
    return this.checkpoint.close();
  }

  /** A weight's integers or their scales, which are asked for one after the other. */
  private async integersOf(stored: string, { plan, field }: IntegerPart): Promise<Tensor> {
    if (this.lastIntegers?.plan !== plan) {
      const integers = quantizeWeight(await this.checkpoint.read(stored), plan, int8Bits);
      this.lastIntegers = { plan, integers };
    }
    return this.lastIntegers.integers[field];
  }
}

/** What of a weight of the checkpoint a parameter holds. */
interface IntegerPart {
  readonly weight: string;
  readonly plan: WeightPlan;
  readonly field: keyof Integers;
}

/** The parameters that a plan puts in the place of weights, by name. */
function integerParts({ weights }: QuantizationPlan): Map<string, IntegerPart> {
  const parts = new Map<string, IntegerPart>();
  for (const [weight, plan] of Object.entries(weights)) {
    const names = quantizedNames(weight);
    parts.set(names.values, { weight, plan, field: "values" });
    parts.set(names.scale, { weight, plan, field: "scale" });
  }
  return parts;
}

/** A matrix [R, C] as [C, R], in tiles that fit into the cache. */
function transposed({ dtype, shape, data }: Tensor): Tensor {
  const [rows, columns] = shape as [number, number];
  const result = Tensor.zeros(dtype, [columns, rows]);
  const tile = 32;
  for (let top = 0; top < rows; top += tile) {
    for (let left = 0; left < columns; left += tile) {
      const [bottom, right] = [Math.min(top + tile, rows), Math.min(left + tile, columns)];
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++)
          result.data[column * rows + row] = data[row * columns + column]!;
      }
    }
  }
  return result;
}

const inType = (tensor: Tensor, dtype: DType): Tensor =>
  tensor.dtype === dtype
    ? tensor
    : Tensor.from(dtype, tensor.shape, tensor.dtype === "float16" ? tensor.toNumbers() : tensor.data);

const bytes = ({ data }: Tensor): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
