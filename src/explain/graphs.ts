/**
 * The two graphs of an explanation: the model with its attention maps, and the gradient of a score by the embeddings.
 * Neither knows the family: embeddings and maps are found by the names under which models capture them.
 * B rows, T positions, D hidden size.
 */

import { ConfigError } from "../errors.ts";
import { grad } from "../graph/grad.ts";
import { input, type Node } from "../graph/node.ts";
import { add, sum } from "../graph/ops/core.ts";
import { gatherPoints } from "../graph/ops/indexing.ts";
import { sqrt, square } from "../graph/ops/math.ts";
import { substitute } from "../graph/passes/rewrite.ts";
import type { ConfigJson } from "../models/config.ts";
import type { Architecture } from "../models/model.ts";
import { storedNames, type TracedGraph, traceInference, usedGraph } from "../models/trace.ts";

/** `attentions.3`, or `cross_attentions.3` where a model has several stacks. */
const attentionPattern = /^(?:(\w+)_)?attentions\.(\d+)$/;
const hiddenPattern = /^(?:\w+_)?hidden_states\.(\d+)$/;

/** The stack and the layer that an output's attention map is of; undefined for other outputs. */
export function attentionOf(name: string): { stack: string; layer: number } | undefined {
  const [, stack = "", layer] = attentionPattern.exec(name) ?? [];
  return layer === undefined ? undefined : { stack, layer: Number(layer) };
}

/** What a model computes, traced once with everything it captures. */
export interface TracedModel {
  readonly names: ReadonlyMap<Node, string>;
  readonly inputs: readonly Node[];
  readonly outputs: Readonly<Record<string, Node>>;
  /** Name of the captured embeddings [B, T, D], which gradients are taken by. */
  readonly embeddings: string;
  /** Name of what the last layer of the same stack gives. */
  readonly lastStates: string;
}

/**
 * @param sizes of symbolic axes that are fixed; the batch stays open
 * @throws ConfigError, code unsupported, when the model captures no embeddings.
 */
export function traceModel(
  architecture: Architecture,
  config: ConfigJson,
  sizes: Readonly<Record<string, number>>,
): TracedModel {
  const model = architecture.build(config);
  const names = storedNames(architecture, model);
  const specs = architecture.inputs(config).filter(({ isLabel }) => !isLabel);
  const { inputs, outputs } = traceInference(model, names, specs, { capture: true, sizes });
  const embeddings = ["hidden_states.0", "encoder_hidden_states.0"].find((name) => outputs[name]);
  if (!embeddings) {
    throw new ConfigError(`explain: ${architecture.name} does not say which of its values are embeddings`, {
      code: "unsupported",
    });
  }
  const stack = embeddings.slice(0, -1);
  const states = Object.keys(outputs).filter((name) => name.startsWith(stack) && hiddenPattern.test(name));
  return { names, inputs, outputs, embeddings, lastStates: `${stack}${states.length - 1}` };
}

/** The model's outputs, its attention maps and its embeddings. */
export function forwardGraph({ names, inputs, outputs, embeddings }: TracedModel): TracedGraph {
  const wanted = Object.entries(outputs).filter(([name]) => name === embeddings || !hiddenPattern.test(name));
  return usedGraph(Object.fromEntries(wanted), inputs, names);
}

/** Input that takes the embeddings' place. */
export const embeddedInput = "embedded";
/** Input [B, rank] int64 that says which element of an output counts, its row included. */
export const pointInput = (output: string): string => `point.${output}`;

/**
 * A score is the sum of one element of each of `scored` outputs. Outputs of the graph:
 * `scores` [B], `gradient` [B, T, D] of them by the embeddings, and `reading` [B, T], the length of their gradient by
 * the last layer's states, which says at which positions the score is read.
 */
export function gradientGraph(model: TracedModel, scored: readonly string[]): TracedGraph {
  const { names, inputs, outputs, embeddings, lastStates } = model;
  const embedding = outputs[embeddings]!;
  const embedded = input(embeddedInput, embedding.dtype, embedding.shape);
  const roots = [lastStates, ...scored].map((name) => outputs[name]!);
  const [states, ...values] = substitute(roots, new Map([[embedding, embedded]])) as [Node, ...Node[]];
  const points = values.map((value, at) =>
    input(pointInput(scored[at]!), "int64", [value.shape[0]!, value.rank]),
  );
  const scores = values.map((value, at) => gatherPoints(value, points[at]!)).reduce((a, b) => add(a, b));
  const [gradient, byStates] = grad(sum(scores), [embedded, states]) as [Node, Node];
  const reading = sqrt(sum(square(byStates), -1));
  return usedGraph({ scores, gradient, reading }, [...inputs, embedded, ...points], names);
}
