/**
 * Multi-head attention as one op of ONNX Runtime.
 * B batch, T target length, S source length, H heads, K and V sizes of a head.
 */

import { type Dim, equalDims, equalShapes } from "../../tensor/dims.ts";
import type { Call, Node } from "../node.ts";
import type { OnnxBuilder } from "../onnx/builder.ts";
import { add, reshape, transpose } from "./core.ts";
import { defineFused, matchForm } from "./form.ts";
import { type MatmulOptions, matmul } from "./matmul.ts";
import { softmax } from "./norm.ts";

export interface FusedAttentionAttrs {
  readonly numHeads: number;
  /** Factor of the scores. */
  readonly scale: number;
}

const swapped = [0, 2, 1, 3];

/** [B, T, H·K] → [B, H, T, K]. */
function splitHeads(x: Node, numHeads: number): Node {
  const [batch, length, width] = x.shape as [Dim, Dim, number];
  return transpose(reshape(x, [batch, length, numHeads, width / numHeads]), swapped);
}

function attentionForm(
  [query, key, value, bias]: readonly Node[],
  { numHeads, scale }: FusedAttentionAttrs,
): Node {
  const [q, k, v] = [query!, key!, value!].map((x) => splitHeads(x, numHeads));
  const scores = matmul(q!, k!, { transB: true, alpha: scale });
  const heads = matmul(softmax(bias ? add(scores, bias) : scores), v!);
  return reshape(transpose(heads, swapped), [...query!.shape.slice(0, 2), value!.shape[2]!]);
}

/** Attention of query [B, T, H·K] to key [B, S, H·K] and value [B, S, H·V], with a bias that broadcasts to [B, H, T, S]. */
export const fusedAttention = defineFused<FusedAttentionAttrs>("fusedAttention", {
  form: attentionForm,
  lower: (onnx, names, call) => {
    const { numHeads, scale } = call.attrs;
    // The fourth and fifth inputs, a projection bias and a padding mask, are not used.
    const bias = names[3] === undefined ? [] : ["", "", scoreBias(onnx, names[3], call)];
    return onnx.node(
      "MultiHeadAttention",
      [...names.slice(0, 3), ...bias],
      { num_heads: numHeads, scale: { float: scale } },
      { domain: "com.microsoft" },
    );
  },
  match: (node) => {
    const found = readAttention(node);
    return found && matchForm(attentionForm(found.inputs, found.attrs), node, []) && found;
  },
});

/** The bias in the shape that the op takes: it broadcasts over batch and heads, not over positions. */
function scoreBias(onnx: OnnxBuilder, name: string, { inputs }: Call<FusedAttentionAttrs>): string {
  const [query, key, , bias] = inputs;
  const leading = [bias!.shape.at(-4) ?? 1, bias!.shape.at(-3) ?? 1];
  const shape = [...leading, query!.shape[1]!, key!.shape[1]!];
  return equalShapes(shape, bias!.shape) ? name : onnx.node("Expand", [name, onnx.shape(shape)]);
}

const inputsOf = (node: Node | undefined, op: string): readonly Node[] =>
  node?.call.op.name === op ? node.call.inputs : [];

/** What would be the inputs if `node` were the end of an attention. */
function readAttention(node: Node): { inputs: Node[]; attrs: FusedAttentionAttrs } | undefined {
  const [joined] = inputsOf(node, "reshape");
  const [probabilities, value] = inputsOf(inputsOf(joined, "transpose")[0], "matmul");
  const [scores] = inputsOf(probabilities, "softmax");
  const [biased, bias] = inputsOf(scores, "add");
  const product = biased ?? scores;
  const [query, key] = inputsOf(product, "matmul");
  const sources = [query, key, value].map((heads) => inputsOf(inputsOf(heads, "transpose")[0], "reshape")[0]);
  if (!sources.every((source) => source !== undefined)) return undefined;
  const numHeads = joined!.shape[2];
  if (typeof numHeads !== "number" || !areHeads(sources, numHeads)) return undefined;
  const scale = (product!.call.attrs as Required<MatmulOptions>).alpha;
  return { inputs: bias ? [...sources, bias] : sources, attrs: { numHeads, scale } };
}

/** Whether query, key and value can be cut into heads and multiplied. */
function areHeads(sources: readonly Node[], numHeads: number): boolean {
  const [query, key, value] = sources;
  const isWhole = ({ rank, shape }: Node): boolean =>
    rank === 3 && typeof shape[2] === "number" && shape[2] % numHeads === 0;
  return (
    sources.every(isWhole) &&
    equalDims(query!.shape[2]!, key!.shape[2]!) &&
    equalDims(query!.shape[0]!, key!.shape[0]!) &&
    equalShapes(key!.shape.slice(0, 2), value!.shape.slice(0, 2))
  );
}
