/** Layers: plain classes whose fields are parameters, other layers, or arrays of them. */

export { type ActivationName, activations } from "../graph/ops/activation.ts";
export * from "./attention.ts";
export { clamped } from "./clamped.ts";
export { Context } from "./context.ts";
export * from "./contrastive.ts";
export { type ChainInputs, Crf, type TagRules } from "./crf.ts";
export { DecoderCache } from "./decoder-cache.ts";
export { Embedding } from "./embedding.ts";
export { FeedForward } from "./feed-forward.ts";
export { JoinedAttention } from "./joined-attention.ts";
export { Linear, linear } from "./linear.ts";
export * from "./losses.ts";
export { countParameters, Init, initialValue, mapParameters, parametersOf } from "./module.ts";
export { LayerNorm, RmsNorm } from "./norm.ts";
export * from "./patches.ts";
export { LearnedPositions, type SinusoidLayout, sinusoids } from "./positions.ts";
export { gridSinusoids } from "./positions-grid.ts";
export { type RotaryLayout, type RotaryOptions, rotaryPositions } from "./positions-rotary.ts";
export { RelativeKeys, RelativeKeysAndQueries, RelativeKeysAndValues } from "./positions-shaw.ts";
export { distanceSinusoids } from "./positions-xlnet.ts";
export { RelativeBias } from "./t5-bias.ts";
export { type BucketOptions, relativeBuckets } from "./t5-positions.ts";
export * from "./windows.ts";
