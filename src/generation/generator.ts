/** Continuing prompts with the model of a folder, in the calling thread. */

import { RequestError } from "../errors.ts";
import { readConfig } from "../models/config.ts";
import type { Provider } from "../runtime/providers.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Decoder, NewRow } from "./decoder.ts";
import { Engine } from "./engine.ts";
import { openDecoder } from "./open-decoder.ts";
import {
  type GenerationOptions,
  type GenerationSettings,
  readGenerationDefaults,
  resolveOptions,
} from "./options.ts";
import { type Generated, searchOf } from "./search.ts";
import type { Source } from "./source.ts";

export interface Prompt {
  /** What is continued; default: the token that the model's configuration begins with. */
  readonly ids?: readonly number[];
  /** What the encoder of an encoder–decoder reads. In a thread of its own, tensors move there and become unusable. */
  readonly source?: Source;
}

/** One token, as soon as it is known: of which prompt, and which of its answers. */
export interface StreamedToken {
  readonly prompt: number;
  readonly answer: number;
  readonly id: number;
}

export interface GenerateHooks {
  /** Told of tokens as they come; beams have none before they are done. */
  readonly onToken?: (token: StreamedToken) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface Generator {
  readonly provider: Provider;
  /** The model's own settings. */
  readonly defaults: GenerationSettings;
  /** Whether prompts have a source. */
  readonly hasEncoder: boolean;
  /**
   * The answers to each prompt, best first. Calls under way share batches.
   * @throws RequestError when an option or a prompt does not hold; RuntimeFailure, code interrupted, when `signal` aborts.
   */
  generate(
    prompts: readonly Prompt[],
    options?: GenerationOptions,
    hooks?: GenerateHooks,
  ): Promise<readonly (readonly Generated[])[]>;
  /** Frees the model. */
  release(): Promise<void>;
}

/** Between two steps, the calling thread does other work. */
export class LocalGenerator implements Generator {
  private readonly engine: Engine;

  private constructor(
    private readonly folder: string,
    private readonly decoder: Decoder,
    readonly defaults: GenerationSettings,
  ) {
    this.engine = new Engine(decoder);
  }

  /** @throws as `openDecoder`; ConfigError when the model's settings are not supported. */
  static async open(folder: string, options: SessionOptions = {}): Promise<LocalGenerator> {
    const defaults = await readGenerationDefaults(folder, await readConfig(folder));
    const decoder = await openDecoder(folder, options);
    return new LocalGenerator(folder, decoder, { ...defaults, ...decoder.ends });
  }

  get provider(): Provider {
    return this.decoder.provider;
  }

  get hasEncoder(): boolean {
    return this.decoder.hasEncoder;
  }

  async generate(
    prompts: readonly Prompt[],
    options: GenerationOptions = {},
    { onToken, signal }: GenerateHooks = {},
  ): Promise<readonly (readonly Generated[])[]> {
    const settings = resolveOptions(options, this.defaults);
    const decode = await this.decoderOfText(settings);
    const rows = prompts.map((prompt, at) => this.rowOf(prompt, settings, at));
    const answers = rows.map((row, prompt) => {
      const search = searchOf(settings, {
        promptIds: row.ids,
        maxPositions: this.decoder.maxLength,
        decode,
        ...(onToken && { onToken: (answer, id) => onToken({ prompt, answer, id }) }),
      });
      return this.engine.run(row, search, signal);
    });
    return Promise.all(answers);
  }

  release(): Promise<void> {
    return this.decoder.release();
  }

  /** The tokenizer is read only for those who need it. */
  private async decoderOfText({
    stop_strings,
  }: GenerationSettings): Promise<(ids: readonly number[]) => string> {
    if (!stop_strings) return () => "";
    const tokenizer = await loadTokenizer(this.folder);
    return (ids) => tokenizer.decode(ids);
  }

  private rowOf({ ids, source }: Prompt, settings: GenerationSettings, at: number): NewRow {
    const { decoder_start_token_id: start, bos_token_id: bos } = settings;
    const first = (this.hasEncoder ? start : undefined) ?? bos;
    const promptIds = ids && ids.length > 0 ? ids : first == null ? [] : [first];
    const where = `generation: prompt ${at + 1}`;
    if (this.hasEncoder !== (source !== undefined)) {
      const rule = this.hasEncoder
        ? "needs a source for the encoder"
        : "must have no source, there is no encoder";
      throw new RequestError(`${where}: ${rule}`);
    }
    if (promptIds.length === 0) throw new RequestError(`${where}: is empty; give at least one token`);
    if (promptIds.length >= this.decoder.maxLength) {
      throw new RequestError(
        `${where}: must be shorter than the model's ${this.decoder.maxLength} tokens, got ${promptIds.length}`,
      );
    }
    return { ids: promptIds, ...(source && { source }) };
  }
}
