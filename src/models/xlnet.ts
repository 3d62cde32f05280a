/**
 * XLNet: a Transformer that predicts tokens in any order, by two streams: content, which sees its own token, and
 * query, which sees only where it stands. Yang et al. 2019, https://arxiv.org/abs/1906.08237
 * B batch, T tokens, M tokens of memory, N targets, D dModel, V vocabSize.
 */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { activations } from "../graph/ops/activation.ts";
import { add, broadcastTo, dimValue, mul, transpose } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import { cast, greaterEqual } from "../graph/ops/select.ts";
import { concat, iota, slice, stack, unsqueeze } from "../graph/ops/shape.ts";
import type { Context } from "../nn/context.ts";
import { Embedding } from "../nn/embedding.ts";
import { Linear } from "../nn/linear.ts";
import type { Init } from "../nn/module.ts";
import { LayerNorm } from "../nn/norm.ts";
import { distanceSinusoids } from "../nn/positions-xlnet.ts";
import { addDims, type Dim, subDims } from "../tensor/dims.ts";
import { activationName, id2label, problemType, rate, size } from "./config.ts";
import { requiredInput } from "./inputs.ts";
import type { Inputs } from "./model.ts";
import { type Surroundings, XLNetAttention } from "./xlnet-attention.ts";
import { segmentsDiffer, sightOf } from "./xlnet-masks.ts";

const count = z.number().int().min(0).max(100_000);

export const xlnetConfigSchema = z
  .object({
    vocabSize: size.default(32000),
    dModel: size.default(1024),
    nLayer: z.number().int().min(0).max(1000).default(24),
    nHead: size.default(16),
    dHead: size.nullish(),
    dInner: size.default(4096),
    ffActivation: activationName.default("gelu"),
    dropout: rate.default(0.1),
    layerNormEps: z.number().positive().default(1e-12),
    initializerRange: z.number().positive().default(0.02),
    /** `uni`: every token sees only those before it, as in Transformer-XL. */
    attnType: z.enum(["bi", "uni"]).default("bi"),
    sameLength: z.boolean().default(false),
    /** Whether the second half of a batch is read backwards. */
    biData: z.boolean().default(false),
    /** Farther distances count as this; −1: no limit. */
    clampLen: z.number().int().min(-1).default(-1),
    /** Tokens kept as memory; 0 or null: all. */
    memLen: count.nullish().default(512),
    /** Tokens of a text that go into memory, from its start; 0 or null: all. */
    reuseLen: count.nullish(),
    summaryType: z.enum(["last", "first", "mean", "cls_index"]).default("last"),
    summaryUseProj: z.boolean().default(true),
    summaryActivation: activationName.nullish().default("tanh"),
    summaryFirstDropout: rate.default(0),
    summaryLastDropout: rate.default(0.1),
    summaryProjToLabels: z.literal(false, "a summary of the labels' width is not supported").default(false),
    startNTop: size.default(5),
    endNTop: size.default(5),
    tieWordEmbeddings: z.literal(true, "only a tied vocabulary is supported").default(true),
    id2label,
    problemType,
  })
  .refine(({ dModel, nHead }) => dModel % nHead === 0, {
    path: ["dModel"],
    message: "must be a multiple of nHead",
  })
  .refine(({ dModel, nHead, dHead }) => dHead == null || dHead * nHead === dModel, {
    path: ["dHead"],
    message: "must be dModel / nHead",
  });

export type XLNetConfig = z.infer<typeof xlnetConfigSchema>;

/** Named sizes, as the fields of `config.json` that differ from the defaults. */
export const xlnetConfigs = {
  "xlnet-base-cased": { d_model: 768, n_layer: 12, n_head: 12, d_inner: 3072 },
  "xlnet-large-cased": {},
} satisfies Record<string, Record<string, number>>;

/** Linear, activation, linear, with dropout after each, a skip connection and a norm. */
class XLNetFeedForward {
  readonly up: Linear;
  readonly down: Linear;
  readonly norm: LayerNorm;

  constructor(
    init: Init,
    private readonly config: XLNetConfig,
  ) {
    this.up = new Linear(init, config.dModel, config.dInner);
    this.down = new Linear(init, config.dInner, config.dModel);
    this.norm = new LayerNorm(init, config.dModel, config.layerNormEps);
  }

  /** [..., D] → [..., D]. */
  forward(ctx: Context, x: Node): Node {
    const { ffActivation, dropout } = this.config;
    const inner = ctx.dropout(activations[ffActivation](this.up.forward(x)), dropout);
    return this.norm.forward(add(ctx.dropout(this.down.forward(inner), dropout), x));
  }
}

class XLNetLayer {
  readonly attention: XLNetAttention;
  readonly feedForward: XLNetFeedForward;

  constructor(init: Init, config: XLNetConfig) {
    this.attention = new XLNetAttention(init, config);
    this.feedForward = new XLNetFeedForward(init, config);
  }
}

/** States of both streams; without targets there is only content. */
interface Streams {
  readonly content: Node;
  readonly query: Node | undefined;
}

/** Embeddings and layers, without a head. */
export class XLNet {
  readonly word: Embedding;
  /** What a query stream starts from. */
  readonly maskVector: Node;
  readonly layers: readonly XLNetLayer[];

  constructor(
    init: Init,
    private readonly config: XLNetConfig,
  ) {
    this.word = new Embedding(init, config.vocabSize, config.dModel);
    this.maskVector = init.normal([1, 1, config.dModel]);
    this.layers = Array.from({ length: config.nLayer }, () => new XLNetLayer(init, config));
  }

  /**
   * `input_ids`, `attention_mask` (1 = attend) or `input_mask` (1 = padding), `token_type_ids`, each [B, T];
   * `perm_mask` [B, T, T] (1 = i may not see j); `target_mapping` [B, N, T] (1 = target n is token t) asks for the
   * query stream; `mems.N` [M, B, D], what an earlier pass captured as `new_mems.N`.
   * → [B, T, D], or with targets [B, N, D].
   * Captures `hidden_states.N` and `attentions.N`, with targets `…_h.N` (content) and `…_g.N` (query), and `new_mems.N`.
   */
  forward(ctx: Context, inputs: Inputs): Node {
    const { nLayer, dropout } = this.config;
    const ids = requiredInput(inputs, "input_ids", "XLNet");
    const [batch, length] = ids.shape as [Dim, Dim];
    const memories = Array.from({ length: nLayer }, (_, at) => inputs[`mems.${at}`]);
    const memoryLength = memories[0]?.shape[0] ?? 0;
    const content = ctx.dropout(this.word.forward(ids), dropout);
    const { dtype } = content;
    const sight = sightOf(inputs, { ...this.config, length, memoryLength, dtype });
    const segments = inputs.token_type_ids;
    const surroundings = {
      distances: ctx.dropout(this.distances(batch, length, memoryLength, dtype), dropout),
      differs: segments && segmentsDiffer(segments, memoryLength, dtype),
    };
    const targets = inputs.target_mapping && cast(inputs.target_mapping, dtype);
    let streams: Streams = { content, query: targets && ctx.dropout(this.firstQuery(targets), dropout) };
    for (const [at, layer] of this.layers.entries()) {
      captureStates(ctx, at, streams);
      captureMemory(ctx, at, streams.content, memories[at], this.config);
      streams = step(ctx, layer, at, streams, { memory: memories[at], targets, sight, surroundings });
    }
    captureStates(ctx, nLayer, streams);
    return ctx.dropout(streams.query ?? streams.content, dropout);
  }

  /** The mask vector for every target: targets [B, N, T] → [B, N, D]. */
  private firstQuery(targets: Node): Node {
    return broadcastTo(this.maskVector, [...targets.shape.slice(0, 2), this.config.dModel]);
  }

  /** Sinusoids [1, T + S, D], or with texts that are read backwards [B, T + S, D]. */
  private distances(batch: Dim, length: Dim, memoryLength: Dim, dtype: Node["dtype"]): Node {
    const { dModel, clampLen: clampLength, biData } = this.config;
    const first = subDims(addDims(memoryLength, length), 1);
    const last = subDims(subDims(0, length), 1);
    const table = (isReversed: boolean): Node =>
      distanceSinusoids(first, last, dModel, { clampLength, isReversed, dtype });
    if (!biData) return unsqueeze(table(false), 0);
    if (typeof batch === "number" && batch % 2 !== 0) {
      throw new ConfigError(`XLNet: with bi_data a batch must be of even size, got ${batch}`);
    }
    const isSecondHalf = greaterEqual(mul(iota(batch), 2), dimValue("int64", batch));
    return gather(stack([table(false), table(true)]), cast(isSecondHalf, "int64"));
  }
}

interface StepParts {
  readonly memory: Node | undefined;
  readonly targets: Node | undefined;
  readonly sight: ReturnType<typeof sightOf>;
  readonly surroundings: Surroundings;
}

/** One layer. Both streams attend to the same keys: memory and content before the layer. */
function step(
  ctx: Context,
  { attention, feedForward }: XLNetLayer,
  at: number,
  { content, query }: Streams,
  { memory, targets, sight, surroundings }: StepParts,
): Streams {
  const seen = memory ? concat([transpose(memory, [1, 0, 2]), content], 1) : content;
  const keys = attention.keysOf(seen, surroundings);
  const pass = (states: Node, stream: "h" | "g"): Node => {
    const captureAs = query ? `attentions_${stream}.${at}` : `attentions.${at}`;
    const own = stream === "h" ? { bias: sight.content } : { bias: sight.query, targets };
    const attended = attention.forward(ctx, { states, ...own, captureAs }, keys, surroundings.differs);
    return feedForward.forward(ctx, attended);
  };
  return { content: pass(content, "h"), query: query && pass(query, "g") };
}

function captureStates(ctx: Context, at: number, { content, query }: Streams): void {
  if (!query) {
    ctx.capture(`hidden_states.${at}`, content);
    return;
  }
  ctx.capture(`hidden_states_h.${at}`, content);
  ctx.capture(`hidden_states_g.${at}`, query);
}

/**
 * The newest `memLen` states of memory and content, [M, B, D]. Where the length is symbolic and has to be cut, there is
 * no such capture, since its length is no polynomial.
 */
function captureMemory(
  ctx: Context,
  at: number,
  content: Node,
  memory: Node | undefined,
  { memLen, reuseLen }: XLNetConfig,
): void {
  const timeFirst = transpose(content, [1, 0, 2]);
  const length = timeFirst.shape[0]!;
  if (reuseLen && typeof length !== "number") return;
  const kept = reuseLen ? slice(timeFirst, 0, 0, Math.min(reuseLen, length as number)) : timeFirst;
  const joined = memory ? concat([memory, kept], 0) : kept;
  const total = joined.shape[0]!;
  if (!memLen) ctx.capture(`new_mems.${at}`, joined);
  else if (typeof total === "number") {
    ctx.capture(`new_mems.${at}`, slice(joined, 0, Math.max(0, total - memLen)));
  }
}
