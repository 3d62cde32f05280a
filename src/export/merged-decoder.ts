/**
 * A decoder's first and later steps in one ONNX model, as exporters of Hugging Face's tools write it: `use_cache_branch`
 * chooses between two graphs inside one `If`, and both use the same weights. What follows them is the same for both and
 * stands behind the `If`.
 */

import { attributeType } from "../graph/onnx/schema.ts";
import type { OnnxGraph, OnnxModel, OnnxOperation, OnnxTensor } from "./onnx-model.ts";

/** The name of the input, bool [1]. */
export const cacheSwitch = "use_cache_branch";

export interface DecoderParts<Part> {
  /** A step that reads a cache. */
  readonly later: Part;
  /** The step that has none yet; it has the outputs of `later`. */
  readonly first: Part;
  /** From outputs of the two, by name, to what follows from them. */
  readonly tail: Part;
}

const boolType = 9;

/** One model of the parts. Its outputs are those of the tail and those of the steps that the tail does not read. */
export function mergeDecoder(parts: DecoderParts<OnnxModel>): OnnxModel {
  const { later, first, tail } = parts;
  const read = new Set(tail.graph.input.map(({ name }) => name));
  const steps = later.graph.output.map(({ name }) => name);
  const choose: OnnxOperation = {
    name: "steps",
    op_type: "If",
    input: [cacheSwitch],
    output: steps,
    attribute: [
      { name: "then_branch", type: attributeType.graph, g: branch(later, "later") },
      { name: "else_branch", type: attributeType.graph, g: branch(first, "first") },
    ],
  };
  const inputs = [...later.graph.input, ...first.graph.input];
  return {
    ...tail,
    graph: {
      name: "decoder",
      node: [choose, ...tail.graph.node],
      initializer: [...weightsOf([later, first]), ...tail.graph.initializer].filter(isFirst),
      input: [...inputs.filter(isFirst), { name: cacheSwitch, type: switchType }],
      output: [...tail.graph.output, ...later.graph.output.filter(({ name }) => !read.has(name))],
    },
  };
}

const switchType = { tensor_type: { elem_type: boolType, shape: { dim: [{ dim_value: 1 }] } } };

const isFirst = <T extends { readonly name: string }>({ name }: T, at: number, all: readonly T[]): boolean =>
  all.findIndex((other) => other.name === name) === at;

/** Weights are the initializers whose bytes are not in the model yet. */
const isWeight = ({ external_data }: OnnxTensor): boolean => (external_data?.length ?? 0) > 0;

const weightsOf = (models: readonly OnnxModel[]): OnnxTensor[] =>
  models.flatMap(({ graph }) => graph.initializer.filter(isWeight));

/**
 * A graph without inputs and weights, which it finds around it under their names; every other name gets a prefix, since
 * an inner graph must not use one that is used outside.
 */
function branch({ graph }: OnnxModel, prefix: string): OnnxGraph {
  const outer = new Set([...graph.input, ...graph.initializer.filter(isWeight)].map(({ name }) => name));
  const inner = (name: string): string => (name === "" || outer.has(name) ? name : `${prefix}/${name}`);
  return {
    name: prefix,
    node: graph.node.map((node) => ({
      ...node,
      name: inner(node.name),
      input: node.input.map(inner),
      output: node.output.map(inner),
    })),
    initializer: graph.initializer
      .filter((tensor) => !isWeight(tensor))
      .map((tensor) => ({ ...tensor, name: inner(tensor.name) })),
    input: [],
    output: graph.output.map(({ name, type }) => ({ name: inner(name), type: withoutShape(type) })),
  };
}

/** The two branches' outputs differ in size. */
const withoutShape = (type: OnnxValueType | undefined): OnnxValueType => ({
  tensor_type: { elem_type: type!.tensor_type.elem_type },
});

type OnnxValueType = NonNullable<OnnxGraph["output"][number]["type"]>;
