/** A generator in a thread of its own, so that the caller's event loop stays free while it computes. */

import { type Provider, warnOnce } from "../runtime/providers.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { startThread, type Thread, workerUrl } from "../runtime/thread.ts";
import type { GenerateHooks, Generator, Prompt } from "./generator.ts";
import type { GeneratorApi, GeneratorDescription, GeneratorInit } from "./generator-worker.ts";
import type { GenerationOptions, GenerationSettings } from "./options.ts";
import type { Generated } from "./search.ts";

export class ThreadedGenerator implements Generator {
  readonly provider: Provider;
  readonly defaults: GenerationSettings;
  readonly hasEncoder: boolean;
  private jobs = 0;

  private constructor(
    private readonly thread: Thread<GeneratorApi>,
    { provider, defaults, hasEncoder }: GeneratorDescription,
  ) {
    this.provider = provider;
    this.defaults = defaults;
    this.hasEncoder = hasEncoder;
  }

  /** @throws what `LocalGenerator.open` throws; ConfigError when the package is not built. */
  static async open(folder: string, options: SessionOptions = {}): Promise<ThreadedGenerator> {
    const { log = warnOnce, ...rest } = options;
    const init: GeneratorInit = { folder, options: rest };
    const thread = await startThread<GeneratorApi>(workerUrl("generation/generator-worker"), init);
    const description = await thread.call("describe");
    description.notices.forEach(log);
    return new ThreadedGenerator(thread, description);
  }

  async generate(
    prompts: readonly Prompt[],
    options: GenerationOptions = {},
    { onToken, signal }: GenerateHooks = {},
  ): Promise<readonly (readonly Generated[])[]> {
    const job = this.jobs++;
    const cancel = (): void => void this.thread.call("cancel", job).catch(() => undefined);
    signal?.addEventListener("abort", cancel, { once: true });
    const results = this.thread.call("generate", job, prompts, options, onToken !== undefined);
    if (signal?.aborted) cancel();
    results.catch(() => undefined); // reported below, after the last token
    try {
      if (onToken) await this.pass(job, onToken);
      return await results;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  async release(): Promise<void> {
    // A thread that died has nothing left to free.
    await this.thread.call("release").catch(() => undefined);
    await this.thread.terminate();
  }

  /** Passes tokens on until the job has ended. */
  private async pass(job: number, onToken: NonNullable<GenerateHooks["onToken"]>): Promise<void> {
    for (;;) {
      const tokens = await this.thread.call("tokens", job);
      if (tokens.length === 0) return;
      tokens.forEach(onToken);
    }
  }
}
