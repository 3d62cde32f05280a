/** Beam search, with the rules of Hugging Face's transformers 4.26 for when a sequence and the search end. */

import type { StepOutputs } from "./decoder.ts";
import { largest } from "./largest.ts";
import type { GenerationSettings } from "./options.ts";
import type { Rule, Span } from "./rules.ts";
import type { Generated, NextRow, Search } from "./search.ts";

/** A running sequence. */
interface Beam {
  readonly ids: readonly number[];
  /** Sum of its tokens' log-probabilities. */
  readonly logProbability: number;
}

/** A beam with one more token. */
interface Candidate {
  readonly parent: number;
  readonly token: number;
  readonly logProbability: number;
}

interface Hypothesis extends Generated {
  readonly score: number;
}

export class BeamSearch implements Search {
  readonly wanted = "log_probabilities";
  readonly maxRows: number;
  readonly maxLength: number;
  private beams: readonly Beam[];
  private readonly ended: Hypotheses;
  private isDone = false;

  constructor(
    private readonly settings: GenerationSettings,
    private readonly rules: readonly Rule[],
    private readonly span: Span,
    promptIds: readonly number[],
  ) {
    this.maxRows = settings.num_beams!;
    this.maxLength = span.maxLength;
    this.beams = [{ ids: promptIds, logProbability: 0 }];
    this.ended = new Hypotheses(this.maxRows, settings);
  }

  advance(outputs: StepOutputs, first: number): NextRow[] {
    const candidates = this.candidates(outputs, first);
    if (candidates.length === 0) return []; // rules leave no token: the beams end as they are
    const next: Candidate[] = [];
    for (const [rank, candidate] of candidates.entries()) {
      const isEnd = this.settings.eos_token_id?.includes(candidate.token) ?? false;
      if (!isEnd) next.push(candidate);
      else if (rank < this.maxRows) this.end(candidate);
      if (next.length === this.maxRows) break;
    }
    const length = this.beams[0]!.ids.length;
    this.isDone = this.ended.areFinal(candidates[0]!.logProbability, length);
    this.beams = next.map(({ parent, token, logProbability }) => ({
      ids: [...this.beams[parent]!.ids, token],
      logProbability,
    }));
    return this.isDone || length + 1 >= this.maxLength ? [] : next;
  }

  results(): Generated[] {
    if (!this.isDone) {
      for (const { ids, logProbability } of this.beams) {
        this.ended.add(ids.slice(this.span.promptLength), "length", logProbability, ids.length);
      }
    }
    return this.ended.best(this.settings.num_return_sequences ?? 1);
  }

  /** The best continuations of all beams, best first: enough for every beam to end and go on. */
  private candidates(outputs: StepOutputs, first: number): Candidate[] {
    const count = 2 * this.maxRows;
    const found = this.beams.flatMap(({ ids, logProbability }, parent) => {
      const scores = outputs.scores(first + parent, "log_probabilities");
      for (const rule of this.rules) rule(scores, ids);
      const possible = largest(scores, count).filter((token) => scores[token]! > Number.NEGATIVE_INFINITY);
      return possible.map((token) => ({
        parent,
        token,
        logProbability: Math.fround(logProbability + scores[token]!),
      }));
    });
    return found.sort((a, b) => b.logProbability - a.logProbability).slice(0, count);
  }

  private end({ parent, token, logProbability }: Candidate): void {
    const { ids } = this.beams[parent]!;
    this.ended.add([...ids.slice(this.span.promptLength), token], "eos", logProbability, ids.length);
  }
}

/** The best sequences that have ended. */
class Hypotheses {
  private kept: Hypothesis[] = [];
  private readonly lengthPenalty: number;

  constructor(
    private readonly size: number,
    private readonly settings: GenerationSettings,
  ) {
    this.lengthPenalty = settings.length_penalty ?? 1;
  }

  /** `length` counts the prompt, but not the token of the end. */
  add(ids: readonly number[], ending: Generated["ending"], logProbability: number, length: number): void {
    const score = this.scoreOf(logProbability, length);
    if (this.kept.length >= this.size && !(score > this.worst)) return;
    this.kept.push({ ids, ending, score });
    this.kept.sort((a, b) => b.score - a.score);
    this.kept = this.kept.slice(0, this.size);
  }

  /** Whether no better one is to be expected of beams of `length`, the best candidate of which is given. */
  areFinal(bestLogProbability: number, length: number): boolean {
    if (this.kept.length < this.size) return false;
    return this.settings.early_stopping === true || this.worst >= this.scoreOf(bestLogProbability, length);
  }

  best(count: number): Hypothesis[] {
    return this.kept.slice(0, count);
  }

  private get worst(): number {
    return this.kept.at(-1)!.score;
  }

  private scoreOf(logProbability: number, length: number): number {
    return logProbability / length ** this.lengthPenalty;
  }
}
