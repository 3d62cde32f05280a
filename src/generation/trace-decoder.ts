/**
 * The graphs of a model that generates: one step of its decoder and, where it has an encoder, what runs once for a
 * source. B rows, T new tokens, P slots of the past, S source length, V vocabulary.
 */

import { input, type Node } from "../graph/node.ts";
import { add, broadcastTo, sub } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import { flattenRows } from "../graph/ops/matmul.ts";
import { logSoftmax } from "../graph/ops/norm.ts";
import { argMax } from "../graph/ops/reduce.ts";
import { concat, iota, padAxis, unsqueeze } from "../graph/ops/shape.ts";
import type { DecoderStep, GenerativeModel } from "../models/generative.ts";
import type { InputSpec } from "../models/model.ts";
import { declareInputs, type TracedGraph, usedGraph } from "../models/trace.ts";
import { causalBias, paddingBias } from "../nn/attention.ts";
import { Context } from "../nn/context.ts";
import { DecoderCache, pastLength, sourceLength } from "../nn/decoder-cache.ts";
import { addDims, symbol } from "../tensor/dims.ts";

export interface DecoderGraphs {
  /**
   * Inputs, of which a graph has those its model reads: `input_ids` [B, T]; `past_lengths` [B], slots that are filled;
   * `attention_mask` [B, P + T], 1 at filled slots and new tokens; `last_tokens` [B], where among the B·T new tokens
   * each row's last one is; `source_mask` [B, S]; `past.*` and `fixed.*`.
   * Outputs: `logits` and `log_probabilities` [B, V] of what follows the last token, `token` [B], the likeliest, and
   * `present.*`, the new tokens' keys and values.
   */
  readonly step: TracedGraph;
  /** From the encoder's inputs to `fixed.*`. */
  readonly encoder?: TracedGraph;
}

const batch = symbol("batch");
const newTokens = symbol("tokens");

/** `specs`: the inputs of the model's `forward`. `names`: its stored weights. */
export function traceDecoder(
  model: GenerativeModel,
  names: ReadonlyMap<Node, string>,
  specs: readonly InputSpec[],
): DecoderGraphs {
  const sourceInputs = declareInputs(
    specs.filter(({ name, isLabel }) => !isLabel && !name.startsWith("decoder_")),
  );
  const source = model.encode?.(Context.inference(), sourceInputs);
  const inputs = declareStepInputs(source);
  const cache = new DecoderCache();
  const hidden = model.decode(Context.decoding(cache), stepOf(inputs, source));
  const logits = model.logits(gather(flattenRows(hidden), inputs.last_tokens));
  const outputs = { logits, log_probabilities: logSoftmax(logits), token: argMax(logits), ...cache.outputs };
  const step = usedGraph(outputs, [...Object.values(inputs), ...cache.inputs], names);
  if (!source) return { step };
  return { step, encoder: usedGraph(cache.fixedOutputs, Object.values(sourceInputs), names) };
}

interface StepInputs {
  readonly input_ids: Node;
  readonly past_lengths: Node;
  readonly attention_mask: Node;
  readonly last_tokens: Node;
  readonly source_mask?: Node;
}

function declareStepInputs(source: Node | undefined): StepInputs {
  return {
    input_ids: input("input_ids", "int64", [batch, newTokens]),
    past_lengths: input("past_lengths", "int64", [batch]),
    attention_mask: input("attention_mask", "int64", [batch, addDims(pastLength, newTokens)]),
    last_tokens: input("last_tokens", "int64", [batch]),
    ...(source && { source_mask: input("source_mask", "int64", [batch, sourceLength(source.shape[1]!)]) }),
  };
}

/** Filled slots stand before the new tokens, so only new tokens among themselves need a causal bias. */
function stepOf({ input_ids, past_lengths, ...inputs }: StepInputs, source: Node | undefined): DecoderStep {
  const causal = padAxis(causalBias(newTokens, newTokens, "float32"), 1, pastLength, 0);
  const positions = add(unsqueeze(past_lengths, 1), iota(newTokens));
  const toSlots = sub(iota(pastLength), unsqueeze(positions, -1));
  const toNew = sub(iota(newTokens), unsqueeze(iota(newTokens), 1));
  return {
    ids: input_ids,
    positions,
    bias: add(paddingBias(inputs.attention_mask, "float32"), causal),
    distances: concat([toSlots, broadcastTo(toNew, [batch, newTokens, newTokens])], -1),
    source,
    sourceBias: inputs.source_mask && paddingBias(inputs.source_mask, "float32"),
  };
}
