/** Evaluation of a model as it is served: its own graph over stored weights, which may be integers. */

import type { QuantizationPlan } from "../graph/passes/quantize.ts";
import type { ConfigJson } from "../models/config.ts";
import { encodeGraph } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { declareInputs, storedNames, usedGraph } from "../models/trace.ts";
import { Context } from "../nn/context.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import type { Session } from "../runtime/session.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Evaluate } from "./score.ts";
import type { Batch } from "./step.ts";

export interface StoredModel {
  readonly config: ConfigJson;
  /** Folder of `model.safetensors`. */
  readonly weightsFolder: string;
  /** Which weights are integers. Default: those that the folder's config names. */
  readonly quantize?: QuantizationPlan;
  /** Threads of ONNX Runtime; default all. */
  readonly threads?: number | undefined;
}

/** A model's outputs for batches with or without labels, in the calling thread; a session for each set of inputs. */
export class StoredEvaluation {
  private readonly sessions = new Map<string, Promise<Session>>();

  constructor(private readonly model: StoredModel) {}

  readonly evaluate: Evaluate = async (batch, wanted) => {
    const session = await this.sessionFor(batch);
    const has = (values: Session["outputs"]): string[] => values.map(({ name }) => name);
    const outputs = wanted && has(session.outputs).filter((name) => wanted.includes(name));
    const feeds = has(session.inputs).map((name): [string, Tensor] => [name, batch[name]!]);
    return session.run(Object.fromEntries(feeds), outputs);
  };

  async release(): Promise<void> {
    const sessions = await Promise.all(this.sessions.values());
    await Promise.all(sessions.map((session) => session.release()));
  }

  private sessionFor(batch: Batch): Promise<Session> {
    const names = Object.keys(batch);
    const key = names.sort().join();
    const known = this.sessions.get(key) ?? this.open(names);
    this.sessions.set(key, known);
    return known;
  }

  private async open(names: readonly string[]): Promise<Session> {
    const { config, weightsFolder, quantize, threads } = this.model;
    const architecture = architectureOf(config, weightsFolder);
    const model = architecture.build(config);
    const inputs = declareInputs(architecture.inputs(config).filter(({ name }) => names.includes(name)));
    const outputs = model.forward(Context.inference(), inputs);
    const graph = usedGraph(outputs, Object.values(inputs), storedNames(architecture, model));
    const encoded = await encodeGraph(weightsFolder, architecture, graph, quantize && { quantize });
    return OrtSession.open({ ...encoded, name: weightsFolder }, threads === undefined ? {} : { threads });
  }
}
