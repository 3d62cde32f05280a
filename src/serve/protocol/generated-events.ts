/** Text that is being generated, as the events of Hugging Face's API. */

import { RequestError } from "../../errors.ts";
import type { GenerationDetails } from "../../tasks/text-generation.ts";
import type { PredictOptions } from "../model-host.ts";
import type { Question } from "../model-worker.ts";
import type { ServedModel } from "../served-models.ts";

/** One event: a piece of text, and at the end all that was generated. */
export interface GeneratedEvent {
  readonly index: number;
  readonly token: { readonly text: string; readonly special: boolean };
  readonly generated_text: string | null;
}

/** @throws RequestError, code unsupported, when the model answers in one piece. */
export function piecesOf(
  host: ServedModel,
  question: Question,
  options: PredictOptions,
): AsyncGenerator<string, GenerationDetails> {
  if (host.stream) return host.stream(question, options);
  throw new RequestError(`model ${host.model.ref}: answers in one piece here; leave out stream`, {
    code: "unsupported",
  });
}

export async function* generatedEvents(pieces: AsyncIterable<string>): AsyncGenerator<GeneratedEvent, void> {
  let whole = "";
  let index = 0;
  for await (const text of pieces) {
    whole += text;
    yield { index: index++, token: { text, special: false }, generated_text: null };
  }
  yield { index, token: { text: "", special: true }, generated_text: whole };
}
