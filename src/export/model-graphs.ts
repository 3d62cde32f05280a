/** The graphs that an exported model consists of, by the names of their files. */

import { ConfigError } from "../errors.ts";
import type { Graph } from "../graph/graph.ts";
import type { ConfigJson } from "../models/config.ts";
import { isGenerative } from "../models/generative.ts";
import type { Architecture, Model } from "../models/model.ts";
import { architectureFor, architectureOf } from "../models/registry.ts";
import { storedNames, traceInference, usedGraph } from "../models/trace.ts";
import type { FileGraph } from "./assemble.ts";
import { decoderGraph, decoderParts, encoderGraph } from "./decoder-graphs.ts";

/** One file of a model. */
export interface FilePlan<G extends FileGraph = FileGraph> {
  /** Without its ending. */
  readonly name: string;
  readonly architecture: Architecture;
  readonly graph: G;
}

/** The whole pass of a model as one graph; of a model that compares sentences, the encoder of single ones. */
export function wholeGraph(architecture: Architecture, config: ConfigJson): FilePlan<Graph> {
  if (architecture.task === "sentence-similarity") {
    return encoderAlone(architectureFor(architecture.modelType, "feature-extraction"), config);
  }
  const model = architecture.build(config);
  const names = storedNames(architecture, model);
  return { name: "model", architecture, graph: traceInference(model, names, specsOf(architecture, config)) };
}

function encoderAlone(architecture: Architecture, config: ConfigJson): FilePlan<Graph> {
  const model = architecture.build(config);
  const names = storedNames(architecture, model);
  const { inputs, outputs } = traceInference(model, names, specsOf(architecture, config));
  const graph = usedGraph({ last_hidden_state: outputs.last_hidden_state! }, inputs, names);
  return { name: "model", architecture, graph };
}

const specsOf = (architecture: Architecture, config: ConfigJson) =>
  architecture.inputs(config).filter(({ isLabel }) => !isLabel);

/** A model of two towers whole, and each tower with its projection. */
export function clipGraphs(architecture: Architecture, config: ConfigJson): FilePlan[] {
  const { projection_dim } = config;
  const tower = (name: string, className: string, section: unknown): FilePlan => {
    const own = { ...(section as ConfigJson), projection_dim, architectures: [className] };
    return { ...wholeGraph(architectureOf(own), own), name };
  };
  return [
    wholeGraph(architecture, config),
    tower("text_model", "CLIPTextModelWithProjection", config.text_config),
    tower("vision_model", "CLIPVisionModelWithProjection", config.vision_config),
  ];
}

/** A decoder with its cache, or an encoder and a merged decoder. @throws ConfigError when the model does not generate. */
export function generationGraphs(architecture: Architecture, config: ConfigJson): FilePlan[] {
  const model: Model = architecture.build(config);
  if (!isGenerative(model)) {
    throw new ConfigError(`export: ${architecture.name} does not generate`, { code: "unsupported" });
  }
  const names = storedNames(architecture, model);
  if (!model.encode) return [{ name: "model", architecture, graph: decoderGraph(model, names) }];
  const encoder: Graph = encoderGraph(model, names, architecture.inputs(config));
  const width = encoder.outputs.last_hidden_state!.shape[2]!;
  return [
    { name: "encoder_model", architecture, graph: encoder },
    { name: "decoder_model_merged", architecture, graph: decoderParts(model, names, width) },
  ];
}
