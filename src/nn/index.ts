/** Layers: plain classes whose fields are parameters, other layers, or arrays of them. */

export { type ActivationName, activations } from "../graph/ops/activation.ts";
export * from "./attention.ts";
export { Context } from "./context.ts";
export { DecoderCache } from "./decoder-cache.ts";
export { Embedding } from "./embedding.ts";
export { FeedForward } from "./feed-forward.ts";
export { Linear, linear } from "./linear.ts";
export * from "./losses.ts";
export { countParameters, Init, initialValue, parametersOf } from "./module.ts";
export { LayerNorm } from "./norm.ts";
export { LearnedPositions, type SinusoidLayout, sinusoids } from "./positions.ts";
