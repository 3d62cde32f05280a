/**
 * Graphs of a model that generates in the layout of Hugging Face's exporters: a step gives the whole cache back,
 * `present.*`, which is the `past_key_values.*` of the next.
 * B rows, T new tokens, P tokens of the past, S source length, H heads, K size of a head, D hidden size.
 */

import { ConfigError } from "../errors.ts";
import { input, type Node } from "../graph/node.ts";
import { add, dimValue, sub } from "../graph/ops/core.ts";
import { concat, iota, padAxis, slice, unsqueeze } from "../graph/ops/shape.ts";
import type { DecoderStep, GenerativeModel } from "../models/generative.ts";
import type { InputSpec } from "../models/model.ts";
import { declareInputs, type TracedGraph, usedGraph } from "../models/trace.ts";
import { causalBias, type KeyValues, paddingBias } from "../nn/attention.ts";
import { Context } from "../nn/context.ts";
import type { StepCache } from "../nn/decoder-cache.ts";
import { addDims, type Dim, symbol } from "../tensor/dims.ts";
import type { DecoderParts } from "./merged-decoder.ts";

// transformers.js looks for these names of sizes.
const batch = symbol("batch_size");
const newLength = symbol("sequence_length");
const pastLength = symbol("past_sequence_length");
const sourceLength = symbol("encoder_sequence_length");

type Names = ReadonlyMap<Node, string>;

/** Keys and values by Hugging Face's names; `reads` is false in a step before which there is no cache. */
class LayoutCache implements StepCache {
  readonly past: Node[] = [];
  readonly present: Record<string, Node> = {};

  constructor(
    private readonly isEncoderDecoder: boolean,
    private readonly reads: boolean,
  ) {}

  extend(name: string, own: KeyValues): KeyValues[] {
    const place = this.isEncoderDecoder ? `${layerOf(name)}.decoder` : layerOf(name);
    const [key] = this.extendOne(`${place}.key`, own.key) as [Node];
    const [value] = this.extendOne(`${place}.value`, own.value) as [Node];
    return [{ key, value }];
  }

  /** The past and this step's own, joined. */
  extendOne(name: string, own: Node): Node[] {
    if (!this.reads) return [this.give(name, own)];
    const past = this.declare(name, own.dtype, own.shape.with(2, pastLength));
    return [this.give(name, concat([past, own], 2))];
  }

  /** Cross-attention: computed in the first step, and given back empty later, since it stays the same. */
  fixed(name: string, own: KeyValues): KeyValues {
    const place = `${layerOf(name)}.encoder`;
    const kept = (part: keyof KeyValues): Node => {
      if (!this.reads) return this.give(`${place}.${part}`, own[part]);
      const { shape, dtype } = own[part];
      const past = this.declare(`${place}.${part}`, dtype, shape.with(2, sourceLength));
      this.give(`${place}.${part}`, slice(past, 2, 0, 0));
      return past;
    };
    return { key: kept("key"), value: kept("value") };
  }

  private declare(name: string, dtype: Node["dtype"], shape: Node["shape"]): Node {
    const node = input(`past_key_values.${name}`, dtype, shape);
    this.past.push(node);
    return node;
  }

  private give(name: string, node: Node): Node {
    this.present[`present.${name}`] = node;
    return node;
  }
}

/** The layer's number in a cache's name, such as "layers.3" or "3.self". */
const layerOf = (name: string): string => /\d+/.exec(name)![0];

/** One graph for all steps of a decoder alone: the cache may be empty. */
export function decoderGraph(model: GenerativeModel, names: Names): TracedGraph {
  const ids = input("input_ids", "int64", [batch, newLength]);
  const mask = input("attention_mask", "int64", [batch, addDims(pastLength, newLength)]);
  const positions = input("position_ids", "int64", [batch, newLength]);
  const cache = new LayoutCache(false, true);
  const bias = add(paddingBias(mask, "float32"), stepBias(pastLength));
  const hidden = model.decode(Context.decoding(cache), {
    ids,
    positions,
    bias,
    distances: distancesFrom(pastLength),
  });
  const outputs = { logits: model.logits(hidden), ...cache.present };
  return usedGraph(outputs, [ids, mask, positions, ...cache.past], names);
}

/** From the inputs of the encoder to `last_hidden_state` [B, S, D]. */
export function encoderGraph(model: GenerativeModel, names: Names, specs: readonly InputSpec[]): TracedGraph {
  const own = specs.filter(({ name, isLabel }) => !isLabel && !name.startsWith("decoder_"));
  const inputs = declareInputs(
    own.map((spec) => ({ ...spec, axes: ["batch_size", "encoder_sequence_length"] })),
  );
  const last_hidden_state = encoding(model)(Context.inference(), inputs);
  return usedGraph({ last_hidden_state }, Object.values(inputs), names);
}

/** The parts of an encoder–decoder's merged decoder. */
export function decoderParts(model: GenerativeModel, names: Names, width: Dim): DecoderParts<TracedGraph> {
  const later = decoderStep(model, names, width, true);
  const first = decoderStep(model, names, width, false);
  const hidden = input("hidden", "float32", [batch, newLength, width]);
  return { later, first, tail: usedGraph({ logits: model.logits(hidden) }, [hidden], names) };
}

function decoderStep(model: GenerativeModel, names: Names, width: Dim, reads: boolean): TracedGraph {
  const ids = input("input_ids", "int64", [batch, newLength]);
  const sourceMask = input("encoder_attention_mask", "int64", [batch, sourceLength]);
  const source = input("encoder_hidden_states", "float32", [batch, sourceLength, width]);
  const cache = new LayoutCache(true, reads);
  const past = reads ? pastLength : 0;
  const step: DecoderStep = {
    ids,
    positions: unsqueeze(add(iota(newLength), dimValue("int64", past)), 0),
    bias: stepBias(past),
    distances: distancesFrom(past),
    source,
    sourceBias: paddingBias(sourceMask, "float32"),
  };
  const hidden = model.decode(Context.decoding(cache), step);
  return usedGraph({ hidden, ...cache.present }, [ids, sourceMask, source, ...cache.past], names);
}

/** [T, P + T]: new tokens see the past and, among themselves, what stands before them. */
const stepBias = (past: Dim): Node => padAxis(causalBias(newLength, newLength, "float32"), 1, past, 0);

/** int64 [1, T, P + T]: each key's place less the query's. */
function distancesFrom(past: Dim): Node {
  const places = add(iota(newLength), dimValue("int64", past));
  return unsqueeze(sub(unsqueeze(iota(addDims(past, newLength)), 0), unsqueeze(places, 1)), 0);
}

function encoding(model: GenerativeModel): NonNullable<GenerativeModel["encode"]> {
  if (!model.encode) throw new ConfigError("export: the model has no encoder", { code: "unsupported" });
  return model.encode.bind(model);
}
