/**
 * Weights in integers: every op that uses a planned weight computes with its integers instead. One definition of the
 * model serves all forms; the integers are parameters of their own, `<name>_quantized` and `<name>_scale`.
 */

import { ConfigError } from "../../errors.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Graph } from "../graph.ts";
import { type Call, input, type Node, parameter, scalar } from "../node.ts";
import { dynamicQuantize, quantizeLinear } from "../ops/quantized.ts";
import {
  BlockWeight,
  Int8Weight,
  type IntegerWeight,
  QdqWeight,
  type QuantizeInput,
} from "../ops/quantized-weight.ts";
import { where } from "../ops/select.ts";
import { mergeCommon } from "./common.ts";
import { dropUnused } from "./dead.ts";
import { fuse } from "./fuse.ts";
import { rebuild, rewrite } from "./rewrite.ts";

/** A fixed range of an input: x ≈ scale · (q − zeroPoint) with q from 0 to 255. */
export interface InputRange {
  readonly scale: number;
  readonly zeroPoint: number;
}

export interface Int8Plan {
  readonly kind: "int8";
  readonly axis: 0 | 1;
  readonly isTransposed: boolean;
  /** Range of the other operand; without it, it is that of every batch itself. */
  readonly input?: InputRange | undefined;
}

export interface BlockPlan {
  readonly kind: "blocks";
  readonly axis: 0 | 1;
  readonly bits: 4 | 8;
  readonly blockSize: number;
}

export type WeightPlan = Int8Plan | BlockPlan;

export interface QuantizationPlan {
  /** By name of the parameter; weights that are not named stay floats. */
  readonly weights: Readonly<Record<string, WeightPlan>>;
  /** "qdq": float ops between quantisation and dequantisation, which any ONNX runtime knows; default "fused". */
  readonly form?: "fused" | "qdq" | undefined;
  /**
   * Bits of int8 weights. With 7, sums of two products fit in 16 bits, as CPUs without VNNI make them, so that every CPU
   * gives the same sums; default 7.
   */
  readonly weightBits?: 7 | 8 | undefined;
}

/** Names under which a weight's integers and their scales are stored. */
export const quantizedNames = (name: string): { values: string; scale: string } => ({
  values: `${name}_quantized`,
  scale: `${name}_scale`,
});

/** Name of the input that turns a weight's integers on in a graph with switches. */
export const switchName = (name: string): string => `quantize.${name}`;

export interface QuantizeOptions {
  /** Keep the floats too, and choose by an input for each weight, a bool of shape []; default false. */
  readonly hasSwitches?: boolean;
}

/**
 * The graph over integers where the plan has them.
 * @throws ConfigError when an op needs a weight as a float that is kept in blocks.
 */
export function quantize(
  graph: Graph,
  plan: QuantizationPlan,
  { hasSwitches = false }: QuantizeOptions = {},
): Graph {
  const planned = new Map<Node, PlannedWeight>();
  for (const [node, name] of graph.parameters) {
    const own = plan.weights[name];
    if (own) planned.set(node, planWeight(node, name, own, plan));
  }
  const rewritten = rewrite(graph, (call, inputs) => {
    const at = call.inputs.findIndex((node) => planned.has(node));
    if (at < 0) return undefined;
    const { name, weight, isOn } = planned.get(call.inputs[at]!)!;
    const quantized = quantizedCall(call, inputs, at, weight, name);
    return hasSwitches ? [where(isOn, quantized, rebuild(call, inputs).outputs[0]!)] : [quantized];
  });
  const all = [...planned.values()];
  const integers = all.flatMap(({ parameters }) => parameters);
  const switches = hasSwitches ? all.map(({ isOn }) => isOn) : [];
  const whole: Graph = {
    ...rewritten,
    inputs: [...graph.inputs, ...switches],
    parameters: new Map([...graph.parameters, ...integers]),
  };
  return fuse(mergeCommon(dropUnused(whole)), ["integerMatmul"]);
}

interface PlannedWeight {
  readonly name: string;
  readonly weight: IntegerWeight;
  readonly parameters: readonly (readonly [Node, string])[];
  readonly isOn: Node;
}

function planWeight(
  { shape }: Node,
  name: string,
  own: WeightPlan,
  { form = "fused" }: QuantizationPlan,
): PlannedWeight {
  const stored = storedShapes(shape as readonly number[], own);
  const names = quantizedNames(name);
  const integers = (dtype: DType, sizes: readonly number[]): Node =>
    parameter(sizes, { kind: "constant", value: 0 }, dtype, false);
  const values = integers(own.kind === "int8" ? "int8" : "uint8", stored.values);
  const scale = integers("float32", stored.scale);
  const parameters = [[values, names.values] as const, [scale, names.scale] as const];
  const isOn = input(switchName(name), "bool", []);
  if (own.kind === "blocks") {
    const { bits, blockSize, axis } = own;
    const attrs = { bits, blockSize, innerSize: shape[1 - axis] as number };
    return { name, weight: new BlockWeight(values, scale, attrs, axis), parameters, isOn };
  }
  const Weight = form === "qdq" ? QdqWeight : Int8Weight;
  return { name, weight: new Weight(values, scale, own, inputQuantizer(own.input)), parameters, isOn };
}

/** Shapes of a planned weight's integers and scales, from that of the float weight. */
export function storedShapes(
  shape: readonly number[],
  plan: WeightPlan,
): { values: readonly number[]; scale: readonly number[] } {
  if (plan.kind === "int8")
    return { values: plan.isTransposed ? shape.toReversed() : shape, scale: [shape[plan.axis]!] };
  const [columns, innerSize] = [shape[plan.axis]!, shape[1 - plan.axis]!];
  const numBlocks = Math.ceil(innerSize / plan.blockSize);
  return {
    values: [columns, numBlocks, (plan.blockSize * plan.bits) / 8],
    scale: [columns * numBlocks],
  };
}

const inputQuantizer =
  (range: InputRange | undefined): QuantizeInput =>
  (x) => {
    if (!range) return dynamicQuantize(x);
    const [scale, zeroPoint] = [scalar(range.scale), scalar(range.zeroPoint, "uint8")];
    return { values: quantizeLinear(x, scale, zeroPoint), scale, zeroPoint };
  };

function quantizedCall(
  call: Call,
  inputs: readonly Node[],
  at: number,
  weight: IntegerWeight,
  name: string,
): Node {
  const quantized = call.op.quantize?.(rebuild(call, inputs), at, weight);
  if (quantized) return quantized;
  const float = weight.dequantized();
  if (!float) throw new ConfigError(`quantize: ${name}: ${call.op.name} needs it as a float; leave it out`);
  return rebuild(call, inputs.with(at, float)).outputs[0]!;
}
