/**
 * An exponential moving average of the weights, which generalises better than the last ones.
 * Polyak & Juditsky 1992, https://doi.org/10.1137/0330046
 */

import { input } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { add, mul } from "../graph/ops/core.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { symbol } from "../tensor/dims.ts";
import { Tensor } from "../tensor/tensor.ts";
import { pieces, view } from "./optimizer.ts";
import type { TrainingParameters } from "./parameters.ts";

/** Averages of the trained vector and of running statistics. */
export interface AveragedWeights {
  readonly parameters: Float32Array;
  readonly buffers: Map<string, Tensor>;
}

/** average · keep + value · take. */
function averageGraph(): Uint8Array {
  const [average, value] = ["average", "value"].map((name) => input(name, "float32", [symbol("n")]));
  const [keep, take] = ["keep", "take"].map((name) => input(name, "float32", []));
  const moved = add(mul(average!, keep!), mul(value!, take!));
  return encodeOnnx({
    inputs: [average!, value!, keep!, take!],
    parameters: new Map(),
    outputs: { average_out: moved },
  });
}

export class WeightAverage {
  private constructor(
    private readonly session: OrtSession,
    private readonly decay: number,
  ) {}

  /** @param decay share of the average that each update keeps, from 0 and below 1 */
  static async open(decay: number, threads?: number): Promise<WeightAverage> {
    const source = { bytes: averageGraph(), name: "weight average" };
    return new WeightAverage(await OrtSession.open(source, { threads, inPlaceOutputs: true }), decay);
  }

  /**
   * Moves the state's average towards its weights after update `step`, from 1. It begins as the first weights and keeps
   * at most step / (step + 9), so that they are soon forgotten. `moved`: names of the running statistics.
   */
  async update(state: TrainingParameters, step: number, moved: Iterable<string>): Promise<void> {
    if (!state.average) {
      state.average = { parameters: state.parameters.slice(), buffers: new Map(state.buffers) };
      return;
    }
    const { parameters, buffers } = state.average;
    const keep = Math.min(this.decay, step / (step + 9));
    await this.move(parameters, state.parameters, keep);
    for (const name of moved)
      buffers.set(name, await this.moved(buffers.get(name)!, state.buffers.get(name)!, keep));
  }

  /** A counter has no average. */
  private async moved(average: Tensor, value: Tensor, keep: number): Promise<Tensor> {
    if (value.dtype !== "float32") return value;
    const data = (average.data as Float32Array).slice();
    await this.move(data, value.data as Float32Array, keep);
    return new Tensor("float32", value.shape, data);
  }

  private async move(average: Float32Array, value: Float32Array, keep: number): Promise<void> {
    const shares = { keep: scalar(keep), take: scalar(1 - keep) };
    for (const [start, end] of pieces(0, average.length)) {
      const target = view(average, start, end);
      const feeds = { average: target, value: view(value, start, end), ...shares };
      await this.session.run(feeds, { average_out: target });
    }
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

const scalar = (value: number): Tensor => Tensor.from("float32", [], [value]);
