/** The thread of one served model: its tokenizer, its session, and a predictor whose calls share batches. */

import type { Session, SessionOptions } from "../runtime/session.ts";
import { serveThread } from "../runtime/thread.ts";
import { FeatureTensor } from "../tasks/feature-tensor.ts";
import { isReconstruction } from "../tasks/masked-image.ts";
import { type OpenAnyModel, openForTask, thisThread } from "../tasks/open-for-task.ts";
import { answer } from "../tasks/pipeline.ts";
import type { Predictor } from "../tasks/predictor.ts";
import { predictor } from "../tasks/tasks.ts";
import { Gate } from "./gate.ts";
import { type BatchRecord, observed } from "./observed-session.ts";

export interface ModelInit {
  readonly folder: string;
  readonly session?: Pick<SessionOptions, "provider" | "threads">;
}

/** What the thread says when it is open. */
export interface ModelDescription {
  readonly task: string;
  readonly architecture: string;
  readonly provider: string;
}

export interface ModelReply {
  /** As the pipeline's result, with plain arrays for tensors. */
  readonly result: unknown;
  /** Batches computed since the last reply, whosever they were. */
  readonly batches: readonly BatchRecord[];
}

export interface ModelApi {
  describe(): ModelDescription;
  /** `id` is the caller's, for `cancel`. */
  predict(id: number, inputs: unknown, parameters: Readonly<Record<string, unknown>>): Promise<ModelReply>;
  /** Drops a prediction that has not begun. */
  cancel(id: number): void;
}

/** Inputs that the predictor makes its batches of; requests beyond wait outside, where a cancellation reaches them. */
const maxInputsUnderWay = 64;

serveThread(async ({ folder, session }: ModelInit): Promise<ModelApi> => {
  const batches: BatchRecord[] = [];
  const model = await openForTask(folder, undefined, session, thisThread);
  const answers = predictor(watched(model, (record) => batches.push(record)));
  const gate = new Gate(maxInputsUnderWay);
  const callers = new Map<number, AbortController>();
  return {
    describe: () => ({
      task: answers.task,
      architecture: model.architecture.name,
      provider: runnerOf(model).provider,
    }),
    predict: async (id, inputs, parameters) => {
      const caller = new AbortController();
      callers.set(id, caller);
      const cost = Array.isArray(inputs) ? inputs.length : 1;
      try {
        const result = await gate.run(cost, caller.signal, () => plainAnswer(answers, inputs, parameters));
        return { result, batches: batches.splice(0) };
      } finally {
        callers.delete(id);
      }
    },
    cancel: (id) => callers.get(id)?.abort(),
  };
});

/** The model with a record of every batch of its session; of one with two towers, of the images' alone. */
function watched(model: OpenAnyModel, tell: (record: BatchRecord) => void): OpenAnyModel {
  if ("generator" in model) return model;
  if ("texts" in model) return { ...model, images: observed(model.images, tell) };
  return { ...model, session: observed(model.session, tell) };
}

/** What computes. */
function runnerOf(model: OpenAnyModel): Pick<Session, "provider"> {
  if ("generator" in model) return model.generator;
  return "texts" in model ? model.images : model.session;
}

/** The pipeline's answer with nested arrays in the place of a tensor, and base64 in that of a picture. */
async function plainAnswer(answers: Predictor, inputs: unknown, parameters: object): Promise<unknown> {
  const result = await answer(answers, inputs, parameters);
  if (result instanceof FeatureTensor) return result.tolist();
  return Array.isArray(result) ? result.map(withBase64) : withBase64(result);
}

const withBase64 = (result: unknown): unknown =>
  isReconstruction(result) ? { ...result, image: Buffer.from(result.image).toString("base64") } : result;
