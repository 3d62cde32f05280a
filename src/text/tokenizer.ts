/** Text to model input and back. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, RequestError } from "../errors.ts";
import { Encoding, type SequencePart, TokenSequence } from "./encoding.ts";
import { Pipeline } from "./pipeline.ts";
import { portableJson } from "./portable-json.ts";
import { roleIds, type TokenRole } from "./special-tokens.ts";
import { type Template, templateFrom } from "./template.ts";
import { checkTokenizerConfig, checkTokenizerJson, type TokenizerConfig } from "./tokenizer-json.ts";
import { fitLengths, type Truncation, windowsOver } from "./truncation.ts";

export interface EncodeOptions {
  /** Most tokens of the result, special ones included; default: no limit. */
  maxLength?: number;
  /** What to shorten beyond `maxLength`; default longest_first. */
  truncation?: Truncation;
  /** Default true. */
  addSpecialTokens?: boolean;
}

export interface WindowOptions {
  /** Most tokens of a window, special ones included. */
  maxLength: number;
  /** Tokens that a window shares with the one before it; from 0, less than a window's room; default 0. */
  stride?: number;
  /** Which text is cut into windows; default: the pair where there is one, else the text. */
  truncation?: "only_first" | "only_second";
}

/** Marian's second language, and the files that stand for a tokeniser which tokenizer.json cannot express. */
export interface TokenizerOrigin {
  target?: Tokenizer;
  files: Readonly<object>; // contents by name
}

export class Tokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** 0 where the vocabulary has no padding token: padded positions are masked, so any id serves. */
  readonly padId: number;
  readonly clsId: number | undefined;
  readonly sepId: number | undefined;
  readonly maskId: number | undefined;
  readonly unkId: number | undefined;
  /** What a text begins with where it is generated. */
  readonly bosId: number | undefined;
  /** What a text ends with where it is generated. */
  readonly eosId: number | undefined;
  /** Most tokens the model was made for, where the configuration says so. */
  readonly modelMaxLength: number | undefined;
  /** Where the model was padded in training. */
  readonly paddingSide: "left" | "right";
  private readonly pipeline: Pipeline;
  private readonly template: Template;
  private readonly roles: Readonly<Partial<Record<TokenRole, number>>>;

  /**
   * @param json the contents of a `tokenizer.json`
   * @param config the contents of a `tokenizer_config.json`
   * @param where names the files in messages
   * @throws ConfigError when either is damaged or not supported
   */
  constructor(
    private readonly json: unknown,
    private readonly config: object = {},
    where = "tokenizer.json",
    private readonly origin?: TokenizerOrigin,
  ) {
    const checkedConfig = checkTokenizerConfig(config, `${where} (tokenizer_config.json)`);
    const checked = checkTokenizerJson(json, where);
    try {
      this.pipeline = new Pipeline(checked, checkedConfig);
      const idOf = (token: string) => this.pipeline.idOf(token);
      this.template = templateFrom(checked.post_processor, idOf);
      this.vocabSize = this.pipeline.vocabSize;
      this.roles = roleIds(checkedConfig, idOf);
      this.padId = this.roles.pad ?? 0;
      this.clsId = this.roles.cls;
      this.sepId = this.roles.sep;
      this.maskId = this.roles.mask;
      this.unkId = this.pipeline.unkId;
      this.bosId = this.roles.bos;
      this.eosId = this.roles.eos;
      this.modelMaxLength = maxLengthOf(checkedConfig);
      this.paddingSide = checkedConfig.padding_side ?? "right";
      this.tryOut();
    } catch (cause) {
      throw new ConfigError(`${where}: the tokenizer does not work (${(cause as Error).message})`, { cause });
    }
  }

  /** One encoding of a text or a pair, shortened to `maxLength`. */
  encode(text: string, pair?: string, options: EncodeOptions = {}): Encoding {
    return this.assemble(this.tokenize(text, pair), options);
  }

  /** As `encode`, for a text in the language that a model translates into. Only Marian's differs. */
  encodeTarget(text: string, options: EncodeOptions = {}): Encoding {
    return (this.origin?.target ?? this).encode(text, undefined, options);
  }

  /**
   * Words that are already split (token classification): `wordIds` are indices into `words`, and offsets are spans of
   * the words joined by single spaces.
   */
  encodeWords(words: readonly string[], options: EncodeOptions = {}): Encoding {
    const whole = this.pipeline.tokenize(words.join(" "));
    const wordIds = wordsAt(whole, words);
    const tokens = () => whole.tokens;
    const sequence = new TokenSequence(whole.ids, wordIds, tokens, () => whole.offsets);
    return this.assemble([sequence], options);
  }

  /** Encodings that together cover a long text, one after the other with `stride` tokens in common. */
  encodeWindows(text: string, pair: string | undefined, options: WindowOptions): Encoding[] {
    const { maxLength, stride = 0, truncation = pair === undefined ? "only_first" : "only_second" } = options;
    const sequences = this.tokenize(text, pair);
    const cut = truncation === "only_first" ? 0 : 1;
    const target = sequences[cut];
    if (!target)
      throw new RequestError("encodeWindows: only_second needs a pair, got one text; use only_first");
    const size = maxLength - this.specialCount(sequences.length) - (sequences[1 - cut]?.ids.length ?? 0);
    if (size <= stride || stride < 0) {
      throw new RequestError(
        `encodeWindows: a window has room for ${size} tokens of the long text, which must be more than the stride ${stride}; raise maxLength`,
      );
    }
    return windowsOver(target.ids.length, size, stride).map(([start, end]) => {
      const parts = sequences.map((sequence) => ({ sequence, start: 0, end: sequence.ids.length }));
      parts[cut] = { sequence: target, start, end };
      return this.build(parts, true);
    });
  }

  /** The text that ids stand for, as nearly as the vocabulary tells. */
  decode(ids: readonly number[], options: { skipSpecialTokens?: boolean } = {}): string {
    if (ids.length === 0) return "";
    return this.pipeline.engine.decode([...ids], { skip_special_tokens: options.skipSpecialTokens ?? false });
  }

  tokenToId(token: string): number | undefined {
    return this.pipeline.idOf(token);
  }

  idToToken(id: number): string | undefined {
    return this.pipeline.tokenOf(id);
  }

  /** Writes `tokenizer.json` (Marian: its own files) and `tokenizer_config.json`, as Hugging Face's libraries do. */
  async save(folder: string): Promise<void> {
    if (this.origin) await this.write(folder, this.origin.files);
    else await this.saveJson(folder);
  }

  /** As `save`, Marian's too as `tokenizer.json`, for libraries that read nothing else. */
  async saveJson(folder: string): Promise<void> {
    await this.write(folder, { "tokenizer.json": JSON.stringify(portableJson(this.json)) });
  }

  private async write(folder: string, files: object): Promise<void> {
    await mkdir(folder, { recursive: true });
    const config = { tokenizer_class: "PreTrainedTokenizerFast", ...this.specialTokens(), ...this.config };
    for (const [name, contents] of Object.entries(files)) await writeFile(join(folder, name), contents);
    await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(config, null, 2));
  }

  /** The special tokens by the fields of `tokenizer_config.json`; other libraries do not guess them. */
  private specialTokens(): Record<string, string> {
    const named = Object.entries({ ...this.roles, unk: this.unkId }).flatMap(([role, id]) => {
      const token = id === undefined ? undefined : this.idToToken(id);
      return token === undefined ? [] : [[`${role}_token`, token]];
    });
    return Object.fromEntries(named);
  }

  private tokenize(text: string, pair: string | undefined): TokenSequence[] {
    const texts = pair === undefined ? [text] : [text, pair];
    return texts.map((each) => this.pipeline.tokenize(each));
  }

  private assemble(sequences: readonly TokenSequence[], options: EncodeOptions): Encoding {
    const {
      maxLength = Number.POSITIVE_INFINITY,
      truncation = "longest_first",
      addSpecialTokens = true,
    } = options;
    const room = maxLength - (addSpecialTokens ? this.specialCount(sequences.length) : 0);
    if (!(room >= 0)) {
      throw new RequestError(`encode: maxLength must leave room for the special tokens, got ${maxLength}`);
    }
    const lengths = sequences.map(({ ids }) => ids.length);
    const kept = fitLengths(lengths, room, truncation);
    const parts = sequences.map((sequence, i) => ({ sequence, start: 0, end: kept[i]! }));
    return this.build(parts, addSpecialTokens);
  }

  private build(parts: readonly SequencePart[], addSpecialTokens: boolean): Encoding {
    const template = parts.length === 1 ? this.template.single : this.template.pair;
    return new Encoding(
      addSpecialTokens ? template : template.filter(({ kind }) => kind === "sequence"),
      parts,
    );
  }

  private specialCount(texts: number): number {
    const template = texts === 1 ? this.template.single : this.template.pair;
    return template.filter(({ kind }) => kind === "special").length;
  }

  /** Damage that no schema sees shows when the parts work together. */
  private tryOut(): void {
    const { ids, offsets } = this.encode("A sentence, naïve: 中文 😀 42", "b");
    if (offsets.length !== ids.length) throw new ConfigError("offsets and ids differ in number");
    this.decode(ids);
  }
}

/** `model_max_length` is 10³⁰ where Hugging Face knows none. */
const maxLengthOf = ({ model_max_length: length }: TokenizerConfig): number | undefined =>
  length != null && Number.isInteger(length) && length > 0 && length < 1e9 ? length : undefined;

/** The index of the word that each token starts in, where the words were joined by single spaces. */
function wordsAt(sequence: TokenSequence, words: readonly string[]): number[] {
  let index = 0;
  let end = words[0]?.length ?? 0;
  return sequence.offsets.map(([start]) => {
    while (start >= end && index < words.length - 1) {
      index++;
      end += words[index]!.length + 1;
    }
    return index;
  });
}
