/** The tokens of a text or a pair, with everything known about each of them. */

import type { Span } from "./spans.ts";
import type { TemplateItem } from "./template.ts";

/** The tokens of one text, without special tokens. Token strings and offsets are computed when first asked for. */
export class TokenSequence {
  private computedTokens: readonly string[] | undefined;
  private computedOffsets: readonly Span[] | undefined;

  constructor(
    readonly ids: readonly number[],
    /** For each token, the number of the word it belongs to, from 0. */
    readonly wordIds: readonly number[],
    private readonly computeTokens: () => readonly string[],
    private readonly computeOffsets: () => readonly Span[],
  ) {}

  get tokens(): readonly string[] {
    this.computedTokens ??= this.computeTokens();
    return this.computedTokens;
  }

  /** For each token, its span of the original text. */
  get offsets(): readonly Span[] {
    this.computedOffsets ??= this.computeOffsets();
    return this.computedOffsets;
  }
}

/** Part of a text that an encoding holds: tokens [start, end). */
export interface SequencePart {
  sequence: TokenSequence;
  start: number;
  end: number;
}

/** One model input. All arrays have one entry per token; what is null belongs to a special token of the template. */
export class Encoding {
  readonly ids: number[] = [];
  readonly typeIds: number[] = [];
  private readonly lazy: {
    tokens?: string[];
    offsets?: (Span | null)[];
    sequenceIds?: (0 | 1 | null)[];
    wordIds?: (number | null)[];
    specialTokensMask?: (0 | 1)[];
  } = {};

  constructor(
    private readonly template: readonly TemplateItem[],
    private readonly parts: readonly SequencePart[],
  ) {
    for (const item of template) {
      if (item.kind === "special") this.ids.push(item.id);
      else {
        const { sequence, start, end } = parts[item.index]!;
        for (let i = start; i < end; i++) this.ids.push(sequence.ids[i]!);
      }
      while (this.typeIds.length < this.ids.length) this.typeIds.push(item.typeId);
    }
  }

  get length(): number {
    return this.ids.length;
  }

  get tokens(): string[] {
    this.lazy.tokens ??= this.collect(
      ({ token }) => token,
      ({ tokens }, i) => tokens[i]!,
    );
    return this.lazy.tokens;
  }

  /** Spans [start, end) of the text (or of the pair) as it was given, in JavaScript string indices. */
  get offsets(): (Span | null)[] {
    this.lazy.offsets ??= this.collect<Span | null>(
      () => null,
      ({ offsets }, i) => offsets[i]!,
    );
    return this.lazy.offsets;
  }

  /** 0 in the text, 1 in the pair. */
  get sequenceIds(): (0 | 1 | null)[] {
    this.lazy.sequenceIds ??= this.collect<0 | 1 | null>(
      () => null,
      (_, __, index) => index,
    );
    return this.lazy.sequenceIds;
  }

  /** The number of the token's word in its text, from 0. */
  get wordIds(): (number | null)[] {
    this.lazy.wordIds ??= this.collect<number | null>(
      () => null,
      ({ wordIds }, i) => wordIds[i]!,
    );
    return this.lazy.wordIds;
  }

  /** 1 for tokens that the template added. */
  get specialTokensMask(): (0 | 1)[] {
    this.lazy.specialTokensMask ??= this.collect<0 | 1>(
      () => 1,
      () => 0,
    );
    return this.lazy.specialTokensMask;
  }

  private collect<T>(
    ofSpecial: (item: Extract<TemplateItem, { kind: "special" }>) => T,
    ofToken: (sequence: TokenSequence, at: number, index: 0 | 1) => T,
  ): T[] {
    const values: T[] = [];
    for (const item of this.template) {
      if (item.kind === "special") values.push(ofSpecial(item));
      else {
        const { sequence, start, end } = this.parts[item.index]!;
        for (let i = start; i < end; i++) values.push(ofToken(sequence, i, item.index));
      }
    }
    return values;
  }
}
