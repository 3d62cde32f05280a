/** A classifier cut into graphs that run one after the other, so that rows can leave between them. */

import type { Graph } from "../graph/graph.ts";
import { input, type Node } from "../graph/node.ts";
import { paddingBias } from "../nn/attention.ts";
import { Context } from "../nn/context.ts";
import { symbol } from "../tensor/dims.ts";
import type { EarlyExitModel } from "./early-exit.ts";
import type { InputSpec } from "./model.ts";
import { declareInputs, usedGraph } from "./trace.ts";

/**
 * The first graph goes from the model's inputs to the first layer after which a row may be done; each further one is
 * one layer. All give `logits.N` of their layers, counted from 0; all but the last give `hidden` [B, T, D], which the
 * next takes as `previous`, with the first one's `bias` [B, 1, 1, T].
 * @param patience from 1: nothing can be done before layer `patience` + 1
 */
export function traceStages(
  model: EarlyExitModel,
  names: ReadonlyMap<Node, string>,
  specs: readonly InputSpec[],
  patience: number,
): Graph[] {
  const inputs = declareInputs(specs);
  const ctx = Context.inference();
  const embedded = model.embed(ctx, inputs);
  const bias = inputs.attention_mask && paddingBias(inputs.attention_mask, embedded.dtype);
  const numFirst = Math.min(patience + 1, model.numLayers);
  const first = layersOf(model, { hidden: embedded, bias, from: 0, to: numFirst });
  const stages: Graph[] = [
    usedGraph({ ...first, ...(first.hidden && bias && { bias }) }, Object.values(inputs), names),
  ];
  for (let at = numFirst; at < model.numLayers; at++) {
    const hidden = input("previous", embedded.dtype, [symbol("batch"), symbol("length"), embedded.shape[2]!]);
    const given = bias && input("bias", bias.dtype, [symbol("batch"), 1, 1, symbol("length")]);
    const outputs = layersOf(model, { hidden, bias: given, from: at, to: at + 1 });
    stages.push(usedGraph(outputs, given ? [hidden, given] : [hidden], names));
  }
  return stages;
}

interface LayerRange {
  readonly hidden: Node;
  readonly bias: Node | undefined;
  readonly from: number;
  readonly to: number;
}

/** `logits.N` of some layers, and `hidden` unless the model ends with them. */
function layersOf(model: EarlyExitModel, range: LayerRange): Record<string, Node> {
  const ctx = Context.inference();
  const outputs: Record<string, Node> = {};
  let { hidden } = range;
  for (let at = range.from; at < range.to; at++) {
    hidden = model.layer(ctx, at, hidden, range.bias);
    outputs[`logits.${at}`] = model.classify(ctx, at, hidden);
  }
  return range.to === model.numLayers ? outputs : { ...outputs, hidden };
}
