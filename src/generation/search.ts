/** What continues one prompt: which rows it has in the batch and which token each gets next. */

import { BeamSearch } from "./beam-search.ts";
import type { StepOutputs } from "./decoder.ts";
import type { GenerationSettings } from "./options.ts";
import { rulesOf, type Span } from "./rules.ts";
import type { Wanted } from "./step-tensors.ts";
import { TokenSearch } from "./token-search.ts";

/** A finished continuation. */
export interface Generated {
  /** New tokens, with the one that ended the sequence. */
  readonly ids: readonly number[];
  /** Why it ended: a token of the end, its length, or a stop string. */
  readonly ending: "eos" | "length" | "stop";
  /** Of beam search: log-probability over length to the power of `length_penalty`. */
  readonly score?: number;
}

/** A row of the next step: a former row of the same search, and the token it gets. */
export interface NextRow {
  readonly parent: number;
  readonly token: number;
}

/** One search begins with one row, its prompt. */
export interface Search {
  readonly wanted: Wanted;
  /** Rows it may come to have, and most tokens of each. */
  readonly maxRows: number;
  readonly maxLength: number;
  /** Reads what follows its rows, which are those from `first` on; returns its next rows, none when it is done. */
  advance(outputs: StepOutputs, first: number): readonly NextRow[];
  /** When it is done: the answers, best first. */
  results(): readonly Generated[];
}

/** What a search is told beside its settings. */
export interface SearchContext {
  /** Tokens of the prompt, or the decoder's first ones. */
  readonly promptIds: readonly number[];
  /** Most tokens that the model has positions for. */
  readonly maxPositions: number;
  /** The text of new tokens, for stop strings. */
  readonly decode: (ids: readonly number[]) => string;
  /** Told of every token of answer number `index`, as it comes; beams have none before they are done. */
  readonly onToken?: (index: number, id: number) => void;
}

const defaultNewTokens = 20;

/** The search that settings ask for. */
export function searchOf(settings: GenerationSettings, context: SearchContext): Search {
  const { promptIds, maxPositions } = context;
  const promptLength = promptIds.length;
  const { max_new_tokens, max_length, num_beams } = settings;
  const wantedLength =
    max_length != null && max_new_tokens == null
      ? Math.max(max_length, promptLength + 1)
      : promptLength + (max_new_tokens ?? defaultNewTokens);
  const span: Span = { promptLength, maxLength: Math.min(wantedLength, maxPositions) };
  const rules = rulesOf(settings, span);
  return (num_beams ?? 1) > 1
    ? new BeamSearch(settings, rules, span, promptIds)
    : new TokenSearch(settings, rules, span, context);
}
