/** What answers by a model's name, as routes see it: models of this process, of workers, or those that a router picks. */

import type { CatalogModel } from "../store/catalog.ts";
import type { GenerationDetails } from "../tasks/text-generation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LiveState } from "./gateway/model-facts.ts";
import type { GraphCall, GraphDescription } from "./graph-call.ts";
import type { PredictOptions, Question } from "./model-host.ts";
import type { ModelStatus } from "./model-pool.ts";

export interface ServedModel {
  readonly model: Pick<CatalogModel, "name" | "ref">;
  /** Whether questions to the model hold pictures. */
  readsPictures(): Promise<boolean>;
  /** The pipeline's result. @throws TesseraeError, OverloadError among them. */
  predict(question: Question, options?: PredictOptions): Promise<unknown>;
  /** What follows a text, in pieces, and then how it ended; absent where the model is too far away for that. @throws as `predict`. */
  stream?(question: Question, options?: PredictOptions): AsyncGenerator<string, GenerationDetails>;
  /** What the model's graph takes and gives, undefined where it is not one graph. */
  graph?(): Promise<GraphDescription | undefined>;
  /** Runs the graph itself on tensors. @throws ShapeError when they do not fit it, and as `predict`. */
  infer?(call: GraphCall, options?: PredictOptions): Promise<Readonly<Record<string, Tensor>>>;
}

export interface ServedModels {
  /** @throws TesseraeError, code not_found, that suggests the nearest name. */
  host(ref: string): Promise<ServedModel>;
  status(): Promise<ModelStatus[]>;
  /** Whether a model can answer now, and how soon. */
  live(ref: string): LiveState;
}

/** A model that is or was open, for health and gauges. */
export interface OpenModel {
  readonly model: Pick<CatalogModel, "ref">;
  readonly state: string;
  /** Inputs that wait or are being computed. */
  readonly queueLength: number;
  /** Why a variant does not answer, where the model does in its place. */
  readonly refusal?: string | undefined;
}

/** What a server has behind its routes: models of its own, or workers. */
export interface Backend extends ServedModels {
  /** Resolves when requests may come. */
  warmUp(onFailure: (ref: string, error: unknown) => void): Promise<void>;
  openHosts(): readonly OpenModel[];
  /** Waits for all predictions, then ends what computes them. */
  closeAll(): Promise<void>;
}
