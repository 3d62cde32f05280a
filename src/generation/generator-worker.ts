/** The worker's side of a `ThreadedGenerator`. */

import type { Provider } from "../runtime/providers.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { serveThread } from "../runtime/thread.ts";
import { LocalGenerator, type Prompt, type StreamedToken } from "./generator.ts";
import type { GenerationOptions, GenerationSettings } from "./options.ts";
import type { Generated } from "./search.ts";
import { TokenQueue } from "./token-queue.ts";

export interface GeneratorInit {
  readonly folder: string;
  readonly options: Omit<SessionOptions, "log">;
}

export interface GeneratorDescription {
  readonly provider: Provider;
  readonly defaults: GenerationSettings;
  readonly hasEncoder: boolean;
  /** What `log` is to be told. */
  readonly notices: readonly string[];
}

export interface GeneratorApi {
  describe(): GeneratorDescription;
  /** `job` is the caller's, for `cancel` and, where it is streamed, for `tokens`, to be called until there are none. */
  generate(
    job: number,
    prompts: readonly Prompt[],
    options: GenerationOptions,
    isStreamed: boolean,
  ): Promise<readonly (readonly Generated[])[]>;
  /** Tokens of a job since the last call, as soon as there are any; none when the job has ended. */
  tokens(job: number): Promise<readonly StreamedToken[]>;
  cancel(job: number): void;
  release(): Promise<void>;
}

/** A job under way. */
interface Job {
  readonly queue: TokenQueue<StreamedToken>;
  readonly canceller: AbortController;
}

serveThread(async ({ folder, options }: GeneratorInit): Promise<GeneratorApi> => {
  const notices: string[] = [];
  const generator = await LocalGenerator.open(folder, {
    ...options,
    log: (message) => notices.push(message),
  });
  const { provider, defaults, hasEncoder } = generator;
  const jobs = new Map<number, Job>();
  return {
    describe: () => ({ provider, defaults, hasEncoder, notices }),
    generate: async (id, prompts, generationOptions, isStreamed) => {
      const job: Job = { queue: new TokenQueue(), canceller: new AbortController() };
      jobs.set(id, job);
      try {
        return await generator.generate(prompts, generationOptions, {
          ...(isStreamed && { onToken: (token) => job.queue.push(token) }),
          signal: job.canceller.signal,
        });
      } finally {
        job.queue.end();
        if (!isStreamed) jobs.delete(id);
      }
    },
    tokens: async (id) => {
      const tokens = (await jobs.get(id)?.queue.take()) ?? [];
      if (tokens.length === 0) jobs.delete(id);
      return tokens;
    },
    cancel: (id) => jobs.get(id)?.canceller.abort(),
    release: () => generator.release(),
  };
});
