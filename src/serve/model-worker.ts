/** The thread of one served model: its tokenizer, its session, and a predictor whose calls share batches. */

import { RequestError } from "../errors.ts";
import { TokenQueue } from "../generation/token-queue.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { serveThread } from "../runtime/thread.ts";
import { BatchCost } from "../tasks/batch-cost.ts";
import type { BatchOrder } from "../tasks/batch-order.ts";
import { cancellable } from "../tasks/cancellable-model.ts";
import { embeddingTask, openEmbedder } from "../tasks/embeddings.ts";
import { FeatureTensor } from "../tasks/feature-tensor.ts";
import { isReconstruction } from "../tasks/masked-image.ts";
import { type OpenAnyModel, openForTask, releaseModel, thisThread } from "../tasks/open-for-task.ts";
import { answer } from "../tasks/pipeline.ts";
import type { Predictor } from "../tasks/predictor.ts";
import { predictor } from "../tasks/tasks.ts";
import { type GenerationDetails, streamText } from "../tasks/text-generation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { callGraph, type GraphCall, type GraphDescription, graphOf } from "./graph-call.ts";
import { type BatchRecord, observed } from "./observed-session.ts";
import { passGate, warmUp } from "./warm-up.ts";

export interface ModelInit {
  readonly folder: string;
  readonly session?: Pick<SessionOptions, "provider" | "forceProvider" | "precision" | "threads">;
  /** Shared memory whose first element is counted up while the thread is alive. */
  readonly beats: Int32Array<SharedArrayBuffer>;
}

/** What the thread says when it is open. */
export interface ModelDescription {
  readonly task: string;
  readonly architecture: string;
  readonly provider: string;
  /** Whether answers are drawn at random unless a question says otherwise. */
  readonly samples: boolean;
  /** What the graph takes and gives, of a model that is one graph. */
  readonly graph?: GraphDescription | undefined;
}

/** A pipeline's inputs, of which one list holds several, and its options. */
export interface Question {
  readonly inputs: unknown;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** What must be answered, or `embeddings` of a model that gives features. Default: what the model's head is for. */
  readonly task?: string | undefined;
}

/** The terms of a question but for its signal, which `cancel` gives. */
export type Terms = Omit<BatchOrder, "signal">;

export interface ModelReply {
  /** As the pipeline's result, with plain arrays for tensors. */
  readonly result: unknown;
  /** Batches computed since the last reply, whosever they were. */
  readonly batches: readonly BatchRecord[];
  /** The batch that ended last, most likely this answer's, and when, as of Date.now(). */
  readonly lastBatch?: { readonly record: BatchRecord; readonly endMs: number } | undefined;
}

export interface ModelApi {
  describe(): ModelDescription;
  /** `id` is the caller's, for `cancel`. */
  predict(id: number, question: Question, terms: Terms): Promise<ModelReply>;
  /** Runs the graph itself. */
  infer(id: number, call: GraphCall): Promise<Record<string, Tensor>>;
  /** Resolves with how it ended when all is written; meanwhile `pieces` has it. */
  stream(id: number, question: Question, terms: Terms): Promise<GenerationDetails>;
  /** What a stream has written since the last call, as soon as there is any; nothing at its end. */
  pieces(id: number): Promise<readonly string[]>;
  /** Drops a prediction that has not begun, and ends a stream. */
  cancel(id: number): void;
  release(): Promise<void>;
}

const beatMs = 250;

serveThread(async ({ folder, session, beats }: ModelInit): Promise<ModelApi> => {
  const cost = new BatchCost();
  const batches: BatchRecord[] = [];
  let lastBatch: ModelReply["lastBatch"];
  const opened = await openForTask(folder, undefined, session, thisThread);
  const model = watched(opened, (record) => {
    cost.learn(record, record.computeMs);
    lastBatch = { record, endMs: Date.now() };
    batches.push(record);
  });
  await passGate(model, session);
  await warmUp(model);
  batches.length = 0;
  setInterval(() => Atomics.add(beats, 0, 1), beatMs);
  const batching = { cost, batchesAhead: 1 } as const;
  const answers = predictor(model, batching);
  let embedder: Predictor | undefined; // opened when first asked
  const answersFor = (task = answers.task): Predictor => {
    if (task === answers.task) return answers;
    if (task !== embeddingTask) {
      const message = `${model.architecture.name} is for ${answers.task} and cannot do ${task}`;
      throw new RequestError(`${message}; take a model made for it`, { code: "unsupported" });
    }
    embedder = embedder ?? openEmbedder(model, batching);
    return embedder;
  };
  const calls = new Calls();
  const streams = new Map<number, TokenQueue<string>>();
  return {
    describe: () => describe(model, answers),
    predict: (id, { inputs, parameters, task }, terms) =>
      calls.run(id, async (signal) => {
        const result = await plainAnswer(answersFor(task), inputs, parameters, { ...terms, signal });
        return { result, batches: batches.splice(0), lastBatch };
      }),
    infer: (id, call) => calls.run(id, (signal) => callGraph(graphOf(model), call, signal)),
    stream: (id, question, terms) =>
      calls.run(id, async (signal) => {
        const queue = new TokenQueue<string>();
        streams.set(id, queue);
        try {
          return await pushPieces(streamOf(model, question, { ...terms, signal }), queue);
        } finally {
          queue.end();
        }
      }),
    pieces: async (id) => {
      const pieces = (await streams.get(id)?.take()) ?? [];
      if (pieces.length === 0) streams.delete(id);
      return pieces;
    },
    cancel: (id) => calls.cancel(id),
    release: () => releaseModel(model),
  };
});

/** Calls under way, each with the signal that cancels it. */
class Calls {
  private readonly callers = new Map<number, AbortController>();

  async run<T>(id: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const caller = new AbortController();
    this.callers.set(id, caller);
    try {
      return await work(caller.signal);
    } finally {
      this.callers.delete(id);
    }
  }

  cancel(id: number): void {
    this.callers.get(id)?.abort();
  }
}

function describe(model: OpenAnyModel, { task }: Predictor): ModelDescription {
  const runner = "generator" in model ? model.generator : "texts" in model ? model.images : model.session;
  const samples = "generator" in model && model.generator.defaults.do_sample === true;
  const graph =
    "session" in model ? { inputs: model.session.inputs, outputs: model.session.outputs } : undefined;
  return { task, architecture: model.architecture.name, provider: runner.provider, samples, graph };
}

/** The model with a record of every batch of its session; of one with two towers, of the images' alone. */
function watched(model: OpenAnyModel, tell: (record: BatchRecord) => void): OpenAnyModel {
  if ("generator" in model) return model;
  if ("texts" in model) return { ...model, images: observed(model.images, tell) };
  return { ...model, session: observed(model.session, tell) };
}

/** @throws RequestError when the model does not write texts piece by piece, or is asked for several. */
function streamOf(
  model: OpenAnyModel,
  { inputs, parameters }: Question,
  order: BatchOrder,
): AsyncGenerator<string, GenerationDetails> {
  if (!("generator" in model) || model.architecture.task !== "text-generation") {
    throw new RequestError(`stream: the model is for ${model.architecture.task} and answers in one piece`, {
      code: "unsupported",
    });
  }
  if (typeof inputs !== "string") throw new RequestError("stream: inputs must be one text");
  const { return_full_text: _, ...settings } = parameters;
  return streamText(cancellable(model, order), inputs, settings);
}

async function pushPieces<Result>(
  pieces: AsyncGenerator<string, Result>,
  queue: TokenQueue<string>,
): Promise<Result> {
  for (;;) {
    const { value, done } = await pieces.next();
    if (done) return value;
    queue.push(value);
  }
}

/** The pipeline's answer with nested arrays in the place of a tensor, and base64 in that of a picture. */
async function plainAnswer(
  answers: Predictor,
  inputs: unknown,
  parameters: object,
  order: BatchOrder,
): Promise<unknown> {
  const result = await answer(answers, inputs, parameters, order);
  if (result instanceof FeatureTensor) return result.tolist();
  return Array.isArray(result) ? result.map(withBase64) : withBase64(result);
}

const withBase64 = (result: unknown): unknown =>
  isReconstruction(result) ? { ...result, image: Buffer.from(result.image).toString("base64") } : result;
