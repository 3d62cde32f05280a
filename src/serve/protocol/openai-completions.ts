/** `POST /v1/completions`, as OpenAI's: what follows a prompt, at once or piece by piece. */

import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyReply } from "fastify";
import { z } from "zod";
import { RequestError } from "../../errors.ts";
import type { GeneratedText, GenerationDetails } from "../../tasks/text-generation.ts";
import { abortOnDisconnect, RequestCount } from "../counted.ts";
import { assertTexts } from "../limits.ts";
import type { PredictOptions } from "../model-host.ts";
import type { PredictContext } from "../predict-route.ts";
import type { ServedModel } from "../served-models.ts";
import { sendEvents } from "./event-stream.ts";
import { piecesOf } from "./generated-events.ts";
import { parseAs } from "./parse-as.ts";
import { termsOf } from "./terms.ts";

const bodySchema = z.strictObject({
  model: z.string(),
  prompt: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  max_tokens: z.int().min(1).default(16).describe("Most new tokens"),
  temperature: z.number().min(0).max(2).default(1).describe("0: always the likeliest token"),
  top_p: z.number().gt(0).max(1).default(1),
  n: z.int().min(1).max(16).default(1).describe("Answers to each prompt"),
  stop: z
    .union([z.string(), z.array(z.string()).max(4)])
    .nullish()
    .describe("Texts that end an answer"),
  seed: z.int().nullish(),
  echo: z.boolean().default(false).describe("Whether answers begin with the prompt"),
  stream: z.boolean().default(false),
  user: z.string().optional().describe("Is not used"),
});

const answerSchema = z.object({
  id: z.string(),
  object: z.literal("text_completion"),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      text: z.string(),
      index: z.int(),
      logprobs: z.null(),
      finish_reason: z.enum(["stop", "length"]).nullable(),
    }),
  ),
  usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() }).optional(),
});

type CompletionBody = z.infer<typeof bodySchema>;
type Completion = z.infer<typeof answerSchema>;
type Choice = Completion["choices"][number];

export function addCompletions(routes: FastifyInstance, context: PredictContext): void {
  const operation = {
    tag: "OpenAI",
    summary: "What follows a prompt",
    body: bodySchema,
    answer: answerSchema,
    streams: { "text/event-stream": "Pieces of the answer, then `[DONE]`" },
    hasTerms: true,
  };
  routes.post("/v1/completions", { config: { operation } }, async (request, reply) => {
    const count = new RequestCount(context.metrics);
    try {
      const body = parseAs(bodySchema, request.body);
      assertTexts(body.prompt, context.limits);
      const host = await context.pool.host(body.model);
      count.named(host.model.ref);
      const terms = { ...termsOf((name) => request.headers[name]), signal: abortOnDisconnect(reply) };
      if (body.stream) return await stream(host, body, terms, reply, count);
      const completion = await complete(host, body, terms);
      count.end();
      return completion;
    } catch (error) {
      count.end(error);
      throw error;
    }
  });
}

async function complete(host: ServedModel, body: CompletionBody, terms: PredictOptions): Promise<Completion> {
  const parameters = { ...parametersOf(body), return_full_text: body.echo, details: true };
  const question = { inputs: [body.prompt].flat(), parameters, task: "text-generation" };
  const answers = (await host.predict(question, terms)) as GeneratedText[][];
  const details = answers.flat().map((answer) => answer.details!);
  const prompt_tokens = answers.reduce((sum, [first]) => sum + first!.details!.input_length, 0);
  const completion_tokens = details.reduce((sum, each) => sum + each.generated_tokens, 0);
  return {
    ...headOf(host),
    choices: answers
      .flat()
      .map((answer, index) => choiceOf(answer.generated_text, index, finishOf(answer.details!))),
    usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
  };
}

function stream(
  host: ServedModel,
  body: CompletionBody,
  terms: PredictOptions,
  reply: FastifyReply,
  count: RequestCount,
): Promise<FastifyReply> {
  if (Array.isArray(body.prompt) || body.n > 1)
    throw new RequestError("stream: takes one prompt and one answer; leave out stream for several");
  const pieces = piecesOf(host, { inputs: body.prompt, parameters: parametersOf(body) }, terms);
  const events = chunks(headOf(host), body.echo ? body.prompt : "", pieces);
  return sendEvents(reply, events, { last: "[DONE]", onEnd: (error) => count.end(error) });
}

async function* chunks(
  head: Omit<Completion, "choices">,
  echo: string,
  pieces: AsyncGenerator<string, GenerationDetails>,
): AsyncGenerator<Completion, void> {
  if (echo !== "") yield { ...head, choices: [choiceOf(echo, 0, null)] };
  for (;;) {
    const { value, done } = await pieces.next();
    if (!done) yield { ...head, choices: [choiceOf(value, 0, null)] };
    else return yield { ...head, choices: [choiceOf("", 0, finishOf(value))] };
  }
}

/** Hugging Face's options for OpenAI's. */
function parametersOf({
  max_tokens,
  temperature,
  top_p,
  n,
  stop,
  seed,
}: CompletionBody): Record<string, unknown> {
  const sampling = { do_sample: true, temperature, top_p, top_k: 0, ...(seed != null && { seed }) };
  return {
    max_new_tokens: max_tokens,
    num_return_sequences: n,
    ...(temperature > 0 ? sampling : { do_sample: false }),
    ...(stop != null && stop.length > 0 && { stop_strings: stop }),
  };
}

const headOf = (host: ServedModel): Omit<Completion, "choices"> => ({
  id: `cmpl-${randomUUID()}`,
  object: "text_completion",
  created: Math.floor(Date.now() / 1000),
  model: host.model.ref,
});

const choiceOf = (text: string, index: number, finish_reason: Choice["finish_reason"]): Choice => ({
  text,
  index,
  logprobs: null,
  finish_reason,
});

const finishOf = ({ finish_reason }: GenerationDetails): "stop" | "length" =>
  finish_reason === "length" ? "length" : "stop";
