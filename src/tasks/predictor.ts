/** Answers of an open model: inputs and options are checked, tokenised, batched, and read off the outputs. */

import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { ConfigError, RequestError } from "../errors.ts";
import { type ConfigJson, parseConfig, size } from "../models/config.ts";
import type { OpenModel } from "../models/open.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { assertWanted, type BatchOrder } from "./batch-order.ts";
import { type BatchOptions, BatchRunner, type EncodedText } from "./batch-runner.ts";
import { type LabelConfig, readLabels } from "./labels.ts";

/** What a task needs of a model to answer. */
export interface TaskModel extends LabelConfig {
  readonly config: ConfigJson;
  readonly tokenizer: Tokenizer;
  /** Most tokens of one input. */
  readonly maxLength: number;
  /** The wanted output for one text, without the batch axis; several in the order of `AnswerTask.outputs`. */
  run(encoding: EncodedText): Promise<Tensor[]>;
}

/** How one kind of question is asked of a model, and answered. */
export interface QuestionKind<Input, Options, Answer, Model> {
  readonly input: z.ZodType<Input>;
  readonly options: z.ZodType<Options>;
  /** Must call the model before it first waits, so that inputs of one call share batches. */
  answer(model: Model, input: Input, options: Options): Promise<Answer>;
}

/** A kind of question that is answered by one pass over the input. */
export interface AnswerTask<Input, Options, Answer> extends QuestionKind<Input, Options, Answer, TaskModel> {
  /** Outputs that are read: the first of these groups that the model has. */
  outputs(config: ConfigJson): readonly (readonly string[])[];
}

/** Time of tokenising after which other work, such as a health check, comes first. */
const sliceMs = 10;

export class Predictor<Answer = unknown> {
  private constructor(
    readonly task: string,
    private readonly definition: QuestionKind<unknown, unknown, Answer, unknown>,
    private readonly modelFor: (order: BatchOrder) => unknown,
    private readonly owner: { release(): Promise<void> },
  ) {}

  /** `modelFor` gives the model that computes on an order's terms. `owner` is released with the predictor. */
  static over<Input, Options, Answer, Model>(
    task: string,
    definition: QuestionKind<Input, Options, Answer, Model>,
    modelFor: (order: BatchOrder) => Model,
    owner: { release(): Promise<void> },
  ): Predictor<Answer> {
    const anyDefinition = definition as QuestionKind<unknown, unknown, Answer, unknown>;
    return new Predictor(task, anyDefinition, modelFor, owner);
  }

  /** @throws ConfigError, code unsupported, when the model has not the outputs that the task reads. */
  static open<Input, Options, Answer>(
    task: string,
    definition: AnswerTask<Input, Options, Answer>,
    model: OpenModel,
    options: BatchOptions = {},
  ): Predictor<Answer> {
    const outputs = wantedOutputs(task, definition.outputs(model.config), model);
    const runner = new BatchRunner(model.session, model.tokenizer.padId, outputs, options);
    const labels = readLabels(model.config, model.folder);
    const maxLength = maxLengthOf(model.config, model.tokenizer, model.folder);
    const modelFor = (order: BatchOrder): TaskModel => ({
      ...labels,
      config: model.config,
      tokenizer: model.tokenizer,
      maxLength,
      run: async (encoding) => {
        const results = await runner.run(encoding, order);
        return outputs.map((name) => results[name]!);
      },
    });
    return Predictor.over(task, definition, modelFor, model.session);
  }

  /**
   * One answer for each input, in their order. Calls under way share batches.
   * @throws RequestError when an input or an option is not valid; RuntimeFailure, code interrupted or deadline, as `order`
   * asks.
   */
  async predict(
    inputs: readonly unknown[],
    options: unknown = {},
    order: BatchOrder = {},
  ): Promise<Answer[]> {
    const checkedOptions = check(this.definition.options, options, `${this.task}: options`);
    const checked = inputs.map((input, at) =>
      check(this.definition.input, input, `${this.task}: input ${at + 1}`),
    );
    const model = this.modelFor(order);
    const answers: Promise<Answer>[] = [];
    let sliceStartMs = performance.now();
    for (const input of checked) {
      if (performance.now() - sliceStartMs > sliceMs) {
        await setImmediate();
        sliceStartMs = performance.now();
        assertWanted(order);
      }
      const answer = this.definition.answer(model, input, checkedOptions);
      answer.catch(() => undefined); // reported below, perhaps only after later inputs are tokenised
      answers.push(answer);
    }
    return Promise.all(answers);
  }

  /** Frees the model. */
  release(): Promise<void> {
    return this.owner.release();
  }
}

function wantedOutputs(
  task: string,
  groups: readonly (readonly string[])[],
  { session, architecture, folder }: OpenModel,
): readonly string[] {
  const has = (name: string): boolean => session.outputs.some((output) => output.name === name);
  const found = groups.find((names) => names.every(has));
  if (found) return found;
  throw new ConfigError(
    `${folder}: ${architecture.name} is for ${architecture.task} and cannot do ${task}; give a model made for it`,
    { code: "unsupported" },
  );
}

function check<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => [...path, message].join(": "));
  throw new RequestError(`${where}: ${problems.join("; ")}`);
}

const lengthSchema = z.object({ maxPositionEmbeddings: size.optional(), nPositions: size.optional() });

/** Tokens that a model has positions for; undefined where its config does not say. */
export function positionsOf(config: ConfigJson, where: string): number | undefined {
  const { maxPositionEmbeddings, nPositions } = parseConfig(lengthSchema, config, where);
  return maxPositionEmbeddings ?? nPositions;
}

/** The fewer of what the model has positions for and what the tokenizer names. */
export const maxLengthOf = (config: ConfigJson, { modelMaxLength }: Tokenizer, where: string): number =>
  Math.min(positionsOf(config, where) ?? 512, modelMaxLength ?? Number.POSITIVE_INFINITY);
