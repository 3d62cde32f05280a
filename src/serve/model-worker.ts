/** The thread of one served model: its tokenizer, its session, and a predictor whose calls share batches. */

import type { SessionOptions } from "../runtime/session.ts";
import { serveThread } from "../runtime/thread.ts";
import { FeatureTensor } from "../tasks/feature-tensor.ts";
import { openForTask, thisThread } from "../tasks/open-for-task.ts";
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
  const answers = predictor(
    "generator" in model
      ? model
      : { ...model, session: observed(model.session, (record) => batches.push(record)) },
  );
  const gate = new Gate(maxInputsUnderWay);
  const callers = new Map<number, AbortController>();
  return {
    describe: () => ({
      task: answers.task,
      architecture: model.architecture.name,
      provider: ("generator" in model ? model.generator : model.session).provider,
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

/** The pipeline's answer with nested arrays in the place of a tensor. */
async function plainAnswer(answers: Predictor, inputs: unknown, parameters: object): Promise<unknown> {
  const result = await answer(answers, inputs, parameters);
  return result instanceof FeatureTensor ? result.tolist() : result;
}
