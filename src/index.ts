/** Tesserae: Transformer models in TypeScript. `pipeline` asks a model; the subpaths define and train them. */

export * from "./errors.ts";
export { type OpenModel, type OpenOptions, openModel } from "./models/open.ts";
export { buildServer, type ServerOptions } from "./serve/server.ts";
export { ModelStore } from "./store/store.ts";
export * from "./tasks/pipeline.ts";
export { Tensor } from "./tensor/tensor.ts";
export { loadTokenizer } from "./text/load-tokenizer.ts";
