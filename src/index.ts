/** Tesserae: Transformer models in TypeScript. `pipeline` asks a model; the subpaths define and train them. */

export * from "./errors.ts";
export { type ExplainOptions, type Explanation, explain } from "./explain/explain.ts";
export { explanationHtml } from "./explain/html.ts";
export { explainImage, type ImageExplainOptions, type ImageExplanation } from "./explain/image-explain.ts";
export { imageExplanationHtml, imageExplanationPng } from "./explain/image-page.ts";
export {
  explainPair,
  type PairExplainOptions,
  type PairExplanation,
  type PairWord,
} from "./explain/pair-explain.ts";
export { pairExplanationHtml, pairExplanationPng } from "./explain/pair-page.ts";
export type { ExplainInput } from "./explain/tokens.ts";
export type { GenerateHooks, Generator, Prompt } from "./generation/generator.ts";
export { type OpenGenerator, openGenerator } from "./generation/open-generator.ts";
export type { GenerationOptions } from "./generation/options.ts";
export type { Generated } from "./generation/search.ts";
export { streamTokens } from "./generation/stream.ts";
export {
  type OpenImageModel,
  type OpenModel,
  type OpenOptions,
  openImageModel,
  openModel,
} from "./models/open.ts";
export { buildServer, type ServerOptions } from "./serve/server.ts";
export { ModelStore } from "./store/store.ts";
export * from "./tasks/pipeline.ts";
export { Tensor } from "./tensor/tensor.ts";
export { loadTokenizer } from "./text/load-tokenizer.ts";
export {
  type TokenizerTrainingOptions,
  trainTokenizer,
  trainTokenizerOnTexts,
} from "./text/train-tokenizer.ts";
