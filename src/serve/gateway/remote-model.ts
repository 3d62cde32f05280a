/** One model on whichever worker of a fleet is chosen. */

import { SpanKind } from "@opentelemetry/api";
import { TokenQueue } from "../../generation/token-queue.ts";
import type { TaskName } from "../../models/model.ts";
import { readsPictures } from "../../models/picture-tasks.ts";
import type { ValueInfo } from "../../runtime/session.ts";
import type { GenerationDetails } from "../../tasks/text-generation.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { GraphCall, GraphDescription } from "../graph-call.ts";
import { countInputs } from "../limits.ts";
import type { PredictOptions } from "../model-host.ts";
import type { ModelStatus } from "../model-pool.ts";
import type { Question } from "../model-worker.ts";
import { headersOf } from "../protocol/terms.ts";
import type { InferAnswer, InferRequest, TensorMetadata } from "../protocol/v2-messages.ts";
import { dtypeOf } from "../protocol/v2-tensors.ts";
import { requestOf, resultIn } from "../protocol/v2-text.ts";
import type { ServedModel } from "../served-models.ts";
import { inSpan } from "../tracing.ts";
import type { CallOptions, Fleet } from "./fleet.ts";

export class RemoteModel implements ServedModel {
  /** The version that answered last; before, the one that the workers list. */
  model: ServedModel["model"];

  /**
   * `isByName`: which version answers is left to the worker, which goes from one to the next when it has opened it.
   * `learnLatency` is told of each answer.
   */
  constructor(
    private readonly status: ModelStatus,
    private readonly isByName: boolean,
    private readonly fleet: Fleet,
    private readonly learnLatency: (ref: string, ms: number) => void,
  ) {
    this.model = status;
  }

  async readsPictures(): Promise<boolean> {
    return readsPictures((this.status.task ?? "") as TaskName); // a worker may know tasks that this gateway does not
  }

  async predict(question: Question, { signal, deadlineMs, ...terms }: PredictOptions = {}): Promise<unknown> {
    const calling = { cost: countInputs(question.inputs), signal, deadlineMs };
    const answer = await this.infers(requestOf(question), calling, terms);
    return JSON.parse(resultIn(answer)) as unknown;
  }

  async infer(
    { feeds, outputs }: GraphCall,
    { signal, deadlineMs, ...terms }: PredictOptions = {},
  ): Promise<Readonly<Record<string, Tensor>>> {
    const inputs = Object.entries(feeds).map(([name, tensor]) => ({ name, tensor }));
    const cost = Math.max(1, ...inputs.map(({ tensor }) => tensor.shape[0] ?? 1));
    const answer = await this.infers({ inputs, outputs }, { cost, signal, deadlineMs }, terms);
    return Object.fromEntries(
      answer.outputs.flatMap(({ name, tensor }) => (tensor instanceof Tensor ? [[name, tensor]] : [])),
    );
  }

  /** The tensors that a worker tells of; sizes that vary are unnamed. */
  graph(): Promise<GraphDescription> {
    return this.fleet.call(this.asked, { cost: 1 }, async (client, left) => {
      const { inputs, outputs } = await client.modelMetadata({ name: this.asked }, left);
      return { inputs: inputs.flatMap(graphTensor), outputs: outputs.flatMap(graphTensor) };
    });
  }

  /** Another worker is asked only while nothing has been written. */
  async *stream(
    question: Question,
    { signal, deadlineMs, ...terms }: PredictOptions = {},
  ): AsyncGenerator<string, GenerationDetails> {
    const written = new TokenQueue<string>();
    const left = new AbortController();
    let isBegun = false;
    const calling = {
      cost: 1,
      signal: signal ? AbortSignal.any([signal, left.signal]) : left.signal,
      deadlineMs,
      mayRepeat: () => !isBegun,
    };
    const details = this.fleet.call(this.asked, calling, async (client, limits) => {
      const pieces = client.stream(this.asked, question, { ...limits, headers: headersOf(terms) });
      for (;;) {
        const { done, value } = await pieces.next();
        if (done) return value;
        isBegun = true;
        written.push(value);
      }
    });
    const ended = details.then(
      () => written.end(),
      () => written.end(),
    );
    try {
      for (;;) {
        const next = await written.take();
        if (next.length === 0) return await details;
        yield* next;
      }
    } finally {
      left.abort();
      await ended;
    }
  }

  private get asked(): string {
    return this.isByName ? this.status.name : this.status.ref;
  }

  private infers(request: InferRequest, calling: CallOptions, terms: PredictOptions): Promise<InferAnswer> {
    return this.fleet.call(this.asked, calling, async (client, left) => {
      const startMs = performance.now();
      const headers = headersOf(terms);
      const answer = await inSpan(
        "worker",
        { "model.ref": this.asked },
        () => client.infer({ name: this.asked }, request, { ...left, headers }),
        SpanKind.CLIENT,
      );
      const { name } = this.status;
      this.model = { name, ref: answer.version === "" ? name : `${name}@${answer.version}` };
      this.learnLatency(this.model.ref, performance.now() - startMs);
      return answer;
    });
  }
}

/** Tensors of the graph; the text form's are not. */
function graphTensor({ name, datatype, shape }: TensorMetadata): ValueInfo[] {
  const dtype = dtypeOf(datatype, name);
  return dtype ? [{ name, dtype, shape: shape.map((size) => (size < 0 ? "" : size)) }] : [];
}
