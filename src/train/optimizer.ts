/**
 * AdamW over flat vectors, as an ONNX graph that runs in place. Loshchilov & Hutter 2019,
 * https://arxiv.org/abs/1711.05101; the arithmetic is that of torch.optim.AdamW.
 *
 * All parameters lie one after another in one vector, and so do gradients and moments. The graph is small and knows
 * nothing of the model: it is run over pieces that fit the processor's cache, so every value is read from memory and
 * written to it once.
 */

import { input, type Node } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { add, div, mul, sub, sum } from "../graph/ops/core.ts";
import { sqrt, square } from "../graph/ops/math.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { symbol } from "../tensor/dims.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Elements of one piece: its vectors and temporaries stay in a processor's second-level cache. */
const pieceSize = 1 << 16;

export interface AdamWOptions {
  /** Decay rates of the two moments; default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment; default 1e-8. */
  readonly epsilon?: number;
}

/** Elements [start, end) that share a weight decay and a learning rate. */
export interface ParameterGroup {
  readonly start: number;
  readonly end: number;
  readonly weightDecay: number;
  /** Factor of the learning rate; default 1. */
  readonly rateFactor?: number;
}

export interface UpdateOptions {
  readonly learningRate: number;
  /** Factor of the gradients: clipping and the mean over accumulated batches. */
  readonly gradientScale: number;
  /** Number of this update, from 1. */
  readonly step: number;
}

/** Parameters with their gradients and moments, each one vector of the same length. */
export interface OptimizerState {
  readonly parameters: Float32Array;
  readonly gradients: Float32Array;
  /** Running mean of the gradients. */
  readonly firstMoment: Float32Array;
  /** Running mean of their squares. */
  readonly secondMoment: Float32Array;
}

const vector = (name: string): Node => input(name, "float32", [symbol("n")]);
const number = (name: string): Node => input(name, "float32", []);

function updateGraph(): Uint8Array {
  const [parameter, gradient, first, second] = ["p", "g", "m", "v"].map(vector) as [Node, Node, Node, Node];
  const names = [
    "gradientScale",
    "keep1",
    "take1",
    "keep2",
    "take2",
    "decay",
    "stepSize",
    "rootScale",
    "epsilon",
  ];
  const numbers = names.map(number);
  const [scale, keep1, take1, keep2, take2, decay, stepSize, rootScale, epsilon] = numbers as [
    Node,
    Node,
    Node,
    Node,
    Node,
    Node,
    Node,
    Node,
    Node,
  ];
  const scaled = mul(gradient, scale);
  const m = add(mul(first, keep1), mul(scaled, take1));
  const v = add(mul(second, keep2), mul(square(scaled), take2));
  const denominator = add(mul(sqrt(v), rootScale), epsilon);
  const p = sub(mul(parameter, decay), mul(div(m, denominator), stepSize));
  return encodeOnnx({
    inputs: [parameter, gradient, first, second, ...numbers],
    parameters: new Map(),
    outputs: { m_out: m, v_out: v, p_out: p },
  });
}

function squaresGraph(): Uint8Array {
  const x = vector("x");
  return encodeOnnx({ inputs: [x], parameters: new Map(), outputs: { total: sum(square(x)) } });
}

function sumGraph(): Uint8Array {
  const [total, x] = [vector("total"), vector("x")];
  return encodeOnnx({ inputs: [total, x], parameters: new Map(), outputs: { total_out: add(total, x) } });
}

/** Runs the optimizer's graphs in the calling thread. */
export class AdamW {
  private constructor(
    private readonly update: OrtSession,
    private readonly squares: OrtSession,
    private readonly adder: OrtSession,
    private readonly options: Required<AdamWOptions>,
  ) {}

  static async open(options: AdamWOptions = {}, threads?: number): Promise<AdamW> {
    const settings = { threads, inPlaceOutputs: true };
    const open = (bytes: Uint8Array, name: string): Promise<OrtSession> =>
      OrtSession.open({ bytes, name }, settings);
    return new AdamW(
      await open(updateGraph(), "AdamW"),
      await OrtSession.open({ bytes: squaresGraph(), name: "gradient norm" }, { threads }),
      await open(sumGraph(), "gradient sum"),
      { betas: [0.9, 0.999], epsilon: 1e-8, ...options },
    );
  }

  /** √Σx². */
  async norm(x: Float32Array): Promise<number> {
    let total = 0;
    for (const [start, end] of pieces(0, x.length)) {
      const { total: squares } = await this.squares.run({ x: view(x, start, end) });
      total += Number(squares!.data[0]);
    }
    return Math.sqrt(total);
  }

  /** Adds x to `total` in place. */
  async accumulate(total: Float32Array, x: Float32Array): Promise<void> {
    for (const [start, end] of pieces(0, x.length)) {
      const target = view(total, start, end);
      await this.adder.run({ total: target, x: view(x, start, end) }, { total_out: target });
    }
  }

  /** One update of parameters and moments in place. */
  async step(
    state: OptimizerState,
    groups: readonly ParameterGroup[],
    options: UpdateOptions,
  ): Promise<void> {
    for (const group of groups) {
      const numbers = this.numbers(group, options);
      for (const [start, end] of pieces(group.start, group.end)) {
        const p = view(state.parameters, start, end);
        const m = view(state.firstMoment, start, end);
        const v = view(state.secondMoment, start, end);
        const g = view(state.gradients, start, end);
        await this.update.run({ p, g, m, v, ...numbers }, { m_out: m, v_out: v, p_out: p });
      }
    }
  }

  private numbers(
    { weightDecay, rateFactor = 1 }: ParameterGroup,
    { learningRate: baseRate, gradientScale, step }: UpdateOptions,
  ): Record<string, Tensor> {
    const {
      betas: [beta1, beta2],
      epsilon,
    } = this.options;
    const learningRate = baseRate * rateFactor;
    const values = {
      gradientScale,
      keep1: beta1,
      take1: 1 - beta1,
      keep2: beta2,
      take2: 1 - beta2,
      decay: 1 - learningRate * weightDecay,
      stepSize: learningRate / (1 - beta1 ** step),
      rootScale: 1 / Math.sqrt(1 - beta2 ** step),
      epsilon,
    };
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, Tensor.from("float32", [], [value])]),
    );
  }

  async release(): Promise<void> {
    await Promise.all([this.update.release(), this.squares.release(), this.adder.release()]);
  }
}

/** A part of a vector as a tensor, no copy. */
export const view = (x: Float32Array, start: number, end: number): Tensor =>
  new Tensor("float32", [end - start], x.subarray(start, end));

/** Starts and ends of pieces that stay in a processor's cache. */
export function* pieces(start: number, end: number): Generator<[number, number]> {
  for (let at = start; at < end; at += pieceSize) yield [at, Math.min(end, at + pieceSize)];
}

/** Factor that brings a gradient of this norm down to `maxNorm`; 1 when it is smaller. As torch's clip_grad_norm_. */
export const clipFactor = (norm: number, maxNorm: number | undefined): number =>
  maxNorm === undefined ? 1 : Math.min(1, maxNorm / (norm + 1e-6));
