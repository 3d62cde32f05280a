/** Runs many op cases in few ONNX Runtime sessions and collects what the op tests compare. */

import { grad } from "../../src/graph/grad.ts";
import { input, inputName, type Node, topologicalOrder } from "../../src/graph/node.ts";
import { add, mul, sum, zeros } from "../../src/graph/ops/core.ts";
import { sin } from "../../src/graph/ops/math.ts";
import { slice } from "../../src/graph/ops/shape.ts";
import { bindShape } from "../../src/tensor/dims.ts";
import { isFloat } from "../../src/tensor/dtype.ts";
import { deriveKey, Random } from "../../src/tensor/random.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { compile, type Evaluator, type Optimization } from "./evaluate.ts";
import { type OpCase, symbolSizes } from "./op-cases.ts";

/** A case of a subject (an op or a function over ops). */
export interface NamedCase extends OpCase {
  readonly subject: string;
}

type FloatType = "float32" | "float64";

interface Built {
  readonly named: NamedCase;
  readonly inputs: readonly Node[];
  readonly outputs: readonly Node[];
  /** A scalar that depends on every float output with a different weight. */
  readonly loss: Node;
}

const inputNameOf = (at: number, index: number): string => `case_${at}_${index}`;

/** Σ sin(y/2): smooth, bounded, and its gradient depends on y, so that a vjp is tried with many cotangents. */
function probe(nodes: readonly Node[], dtype: FloatType): Node {
  const terms = nodes.filter((node) => node.dtype === dtype).map((node) => sum(sin(mul(node, 0.5))));
  return terms.reduce((total, term) => add(total, term), zeros(dtype, []));
}

/** The graph of a case. @throws the case's own error, with its title in front. */
export function buildCase(named: NamedCase, at: number, dtype: FloatType, isSymbolic: boolean): Built {
  try {
    const inputs = named.inputs.map((spec, index) =>
      input(
        inputNameOf(at, index),
        spec.dtype ?? dtype,
        isSymbolic ? spec.shape : bindShape(spec.shape, symbolSizes),
      ),
    );
    const outputs = [named.build(...inputs)].flat() as Node[];
    return { named, inputs, outputs, loss: probe(outputs, dtype) };
  } catch (cause) {
    throw new Error(`${named.subject} ${named.title}: ${(cause as Error).message}`, { cause });
  }
}

/** Seeded values of the inputs of a case, the same for every dtype. */
function feedsOf(named: NamedCase, at: number, dtype: FloatType): Record<string, Tensor> {
  const random = new Random(deriveKey(1, named.subject, named.title));
  return Object.fromEntries(
    named.inputs.map(({ shape, dtype: own, values, low = -1, high = 1 }, index) => {
      const sizes = bindShape(shape, symbolSizes);
      const size = sizes.reduce((product, dim) => product * dim, 1);
      const drawn = values ?? Array.from({ length: size }, () => low + (high - low) * random.uniform());
      return [inputNameOf(at, index), Tensor.from(own ?? dtype, sizes, drawn)];
    }),
  );
}

/** Whether every op of a case has a gradient; the others are checked by value alone. */
export const isDifferentiable = (outputs: readonly Node[]): boolean =>
  topologicalOrder(outputs).every(({ op }) => typeof op.vjp === "function" || op.vjp.kind === "zero");

/** The inputs that gradients are taken for. */
const floatInputs = ({ inputs, outputs }: Built): Node[] => {
  if (!isDifferentiable(outputs)) return [];
  const used = new Set(topologicalOrder(outputs).flatMap((call) => call.outputs));
  return inputs.filter((node) => isFloat(node.dtype) && used.has(node));
};

/** Compiles all cases into one session; when that fails, finds the case that does. */
async function compileAll(
  cases: readonly NamedCase[],
  outputs: readonly (readonly Node[])[],
  optimization: Optimization = "disabled",
): Promise<Evaluator> {
  try {
    return await compile(outputs.flat(), optimization);
  } catch (cause) {
    for (const [at, own] of outputs.entries()) {
      await compile(own, optimization).catch((error: Error) => {
        throw new Error(`${cases[at]!.subject} ${cases[at]!.title}: ${error.message}`, { cause });
      });
    }
    throw cause;
  }
}

/** Results of a run, cut into those of each case. */
function byCase(outputs: readonly (readonly Node[])[], values: readonly Tensor[]): Tensor[][] {
  let from = 0;
  return outputs.map((own) => {
    from += own.length;
    return values.slice(from - own.length, from);
  });
}

const merge = (records: readonly Record<string, Tensor>[]): Record<string, Tensor> =>
  Object.assign({}, ...records);

export interface CaseValues {
  readonly outputs: readonly Tensor[];
  /** Gradients of the loss for the float inputs. */
  readonly gradients: readonly Tensor[];
}

/** Outputs and gradients of every case in a dtype, with symbolic or numeric dimensions, optimised by ORT or not. */
export async function runCases(
  cases: readonly NamedCase[],
  dtype: FloatType,
  isSymbolic: boolean,
  optimization: Optimization = "disabled",
): Promise<CaseValues[]> {
  const built = cases.map((named, at) => buildCase(named, at, dtype, isSymbolic));
  const outputs = built.map((one) => [...one.outputs, ...grad(one.loss, floatInputs(one))]);
  const feeds = cases.map((named, at) => feedsOf(named, at, dtype));
  return (await runOnce(cases, outputs, feeds, optimization)).map((own, at) => {
    const count = built[at]!.outputs.length;
    return { outputs: own.slice(0, count), gradients: own.slice(count) };
  });
}

/** Ranges [1, 2) of every axis of a case's first output: cut from it, and computed from ranges of the inputs. */
export interface RangePair {
  readonly cut: Tensor;
  readonly narrowed: Tensor;
}

/** By case, the ranges that its op can narrow. */
export async function runRanges(cases: readonly NamedCase[]): Promise<RangePair[][]> {
  const pairs = cases.map((named, at) => rangesOf(buildCase(named, at, "float64", false).outputs[0]!));
  const feeds = cases.map((named, at) => feedsOf(named, at, "float64"));
  const values = await runOnce(
    cases,
    pairs.map((own) => own.flat()),
    feeds,
  );
  return values.map((own) =>
    Array.from({ length: own.length / 2 }, (_, at) => ({ cut: own[2 * at]!, narrowed: own[2 * at + 1]! })),
  );
}

function rangesOf(node: Node): [Node, Node][] {
  return node.shape.flatMap((dim, axis) => {
    if ((dim as number) < 2) return [];
    const of = (x: Node, at: number): Node => slice(x, at, 1, 2);
    const narrowed = node.call.op.narrow?.(node.call, { axis, size: 1, of });
    return narrowed ? [[of(node, axis), narrowed] as [Node, Node]] : [];
  });
}

/** A gradient as the graph computes it and as central differences estimate it, over all float inputs in turn. */
export interface GradientPair {
  readonly analytic: readonly number[];
  readonly numeric: readonly number[];
}

export interface GradientCheck {
  readonly first: GradientPair;
  /** Of a function of the first-order gradient. */
  readonly second: GradientPair;
}

/** First- and second-order gradients of every case in float64, with their finite differences. */
export async function checkGradients(cases: readonly NamedCase[]): Promise<GradientCheck[]> {
  const built = cases.map((named, at) => buildCase(named, at, "float64", false));
  const wrt = built.map(floatInputs);
  const first = built.map(({ loss }, at) => grad(loss, wrt[at]!));
  const curves = first.map((gradients) => probe(gradients, "float64"));
  const second = curves.map((curve, at) => grad(curve, wrt[at]!));
  const feeds = cases.map((named, at) => feedsOf(named, at, "float64"));
  const analytic = await runOnce(
    cases,
    first.map((own, at) => [...own, ...second[at]!]),
    feeds,
  );
  const scalars = built.map(({ loss }, at) => [loss, curves[at]!]);
  const numeric = await differences(cases, scalars, wrt, feeds);
  return analytic.map((own, at) => {
    const flat = (tensors: readonly Tensor[]): number[] => tensors.flatMap((tensor) => tensor.toNumbers());
    const count = wrt[at]!.length;
    return {
      first: { analytic: flat(own.slice(0, count)), numeric: numeric[at]!.map(([loss]) => loss!) },
      second: { analytic: flat(own.slice(count)), numeric: numeric[at]!.map(([, curve]) => curve!) },
    };
  });
}

async function runOnce(
  cases: readonly NamedCase[],
  outputs: readonly (readonly Node[])[],
  feeds: readonly Record<string, Tensor>[],
  optimization: Optimization = "disabled",
): Promise<Tensor[][]> {
  const evaluator = await compileAll(cases, outputs, optimization);
  const values = await evaluator.run(merge(feeds));
  await evaluator.release();
  return byCase(outputs, values);
}

/** One number of an input, and where it lies in the feeds. */
interface Coordinate {
  readonly array: Float64Array;
  readonly index: number;
  readonly value: number;
  readonly step: number;
}

function coordinatesOf(named: NamedCase, wrt: readonly Node[], feeds: Record<string, Tensor>): Coordinate[] {
  return wrt.flatMap((node) => {
    const array = feeds[inputName(node)]!.data as Float64Array;
    return Array.from(array, (value, index) => ({ array, index, value, step: named.step ?? 1e-5 }));
  });
}

const move = (coordinates: readonly Coordinate[], sign: number): void => {
  for (const { array, index, value, step } of coordinates) array[index] = value + sign * step;
};

/** Central differences of the scalars of every case by each number of its float inputs; all cases move at once. */
async function differences(
  cases: readonly NamedCase[],
  scalars: readonly (readonly Node[])[],
  wrt: readonly (readonly Node[])[],
  feeds: readonly Record<string, Tensor>[],
): Promise<number[][][]> {
  const evaluator = await compileAll(cases, scalars);
  const coordinates = cases.map((named, at) => coordinatesOf(named, wrt[at]!, feeds[at]!));
  const results: number[][][] = cases.map(() => []);
  for (let turn = 0; turn < Math.max(...coordinates.map((own) => own.length)); turn++) {
    const moving = coordinates.flatMap((own) => own.slice(turn, turn + 1));
    const values: Tensor[][][] = [];
    for (const sign of [1, -1, 0]) {
      move(moving, sign);
      if (sign !== 0) values.push(byCase(scalars, await evaluator.run(merge(feeds))));
    }
    coordinates.forEach((own, at) => {
      if (turn >= own.length) return;
      const [above, below] = values.map((run) => run[at]!.map((tensor) => Number(tensor.data[0])));
      results[at]!.push(above!.map((value, index) => (value - below![index]!) / (2 * own[turn]!.step)));
    });
  }
  await evaluator.release();
  return results;
}
