/** Greedy decoding and sampling: sequences that know nothing of each other. */

import { RequestError } from "../errors.ts";
import { deriveKey, Random } from "../tensor/random.ts";
import type { StepOutputs } from "./decoder.ts";
import { largest } from "./largest.ts";
import type { GenerationSettings } from "./options.ts";
import type { Rule, Span } from "./rules.ts";
import { drawToken } from "./sampling.ts";
import type { Generated, NextRow, Search, SearchContext } from "./search.ts";
import type { Wanted } from "./step-tensors.ts";
import { StopStrings } from "./stop-strings.ts";

interface Sequence {
  readonly index: number;
  /** The prompt and what followed. */
  readonly ids: number[];
  readonly random: Random;
  ending?: Generated["ending"];
}

export class TokenSearch implements Search {
  readonly wanted: Wanted;
  readonly maxRows: number;
  readonly maxLength: number;
  private readonly sequences: readonly Sequence[];
  private readonly stopStrings: StopStrings;

  constructor(
    private readonly settings: GenerationSettings,
    private readonly rules: readonly Rule[],
    private readonly span: Span,
    private readonly context: SearchContext,
  ) {
    this.maxRows = settings.num_return_sequences ?? 1;
    this.maxLength = span.maxLength;
    this.wanted = settings.do_sample || rules.length > 0 ? "logits" : "token";
    this.stopStrings = new StopStrings(settings.stop_strings ?? [], context.decode);
    const seed = settings.seed ?? Math.floor(Math.random() * 2 ** 32);
    this.sequences = Array.from({ length: this.maxRows }, (_, index) => ({
      index,
      ids: [...context.promptIds],
      random: new Random(deriveKey(seed, index)),
    }));
  }

  advance(outputs: StepOutputs, first: number): NextRow[] {
    const running = this.sequences.filter(({ ending }) => !ending);
    const isStart = running[0]!.ids.length === this.span.promptLength;
    const next: NextRow[] = [];
    let scores: Float32Array | undefined;
    for (const [row, sequence] of running.entries()) {
      const parent = isStart ? 0 : row; // all begin with the prompt's row
      if (this.wanted === "logits" && (row === 0 || !isStart)) {
        scores = outputs.scores(first + parent, "logits");
        for (const rule of this.rules) rule(scores, sequence.ids);
      }
      const token = scores ? this.choose(scores, sequence) : outputs.token(first + parent);
      this.append(sequence, token);
      if (!sequence.ending) next.push({ parent, token });
    }
    return next;
  }

  results(): Generated[] {
    return this.sequences.map(({ ids, ending = "length" }) => ({
      ids: ids.slice(this.span.promptLength),
      ending,
    }));
  }

  /** @throws RequestError when the rules forbid every token. */
  private choose(scores: Float32Array, { random }: Sequence): number {
    const [best] = largest(scores, 1) as [number];
    if (scores[best] === Number.NEGATIVE_INFINITY) {
      throw new RequestError("generation: the options forbid every next token; loosen them");
    }
    return this.settings.do_sample ? drawToken(scores, this.settings, random) : best;
  }

  private append(sequence: Sequence, token: number): void {
    sequence.ids.push(token);
    if (this.settings.eos_token_id?.includes(token)) sequence.ending = "eos";
    else if (this.stopStrings.isReached(sequence.ids, this.span.promptLength)) sequence.ending = "stop";
    else if (sequence.ids.length >= this.maxLength) sequence.ending = "length";
    this.context.onToken?.(sequence.index, token);
  }
}
