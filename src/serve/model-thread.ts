/** The thread of one generation of a model, watched for life: it may end by itself, or hang. */

import { startThread, type Thread, workerUrl } from "../runtime/thread.ts";
import type { ModelApi, ModelDescription, ModelInit } from "./model-worker.ts";

export interface ThreadOptions extends Omit<ModelInit, "beats"> {
  /** Milliseconds without a sign of life after which the thread is given up; default 30,000, some long batches. */
  readonly hangMs?: number;
  /** Told once when the thread ended without being asked to. */
  readonly onDeath: () => void;
  /** The worker's module; default `model-worker`. */
  readonly module?: URL;
}

/** Looks at the sign of life within `hangMs`; several, so that a machine that slept is not mistaken for a hung thread. */
const looks = 4;

export class ModelThread {
  private isStopping = false;
  private readonly watch: NodeJS.Timeout;

  private constructor(
    private readonly thread: Thread<ModelApi>,
    readonly description: ModelDescription,
    beats: Int32Array<SharedArrayBuffer>,
    { hangMs = 30_000, onDeath }: ThreadOptions,
  ) {
    let [last, still] = [0, 0];
    this.watch = setInterval(() => {
      const beat = Atomics.load(beats, 0);
      still = beat === last ? still + 1 : 0;
      last = beat;
      if (still === looks) this.giveUp(hangMs, onDeath);
    }, hangMs / looks).unref();
    void thread.exited.then(() => {
      clearInterval(this.watch);
      if (!this.isStopping) onDeath();
    });
  }

  /** Opens the model in a thread of its own. @throws what opening it throws. */
  static async start(options: ThreadOptions): Promise<ModelThread> {
    const { hangMs: _, onDeath: __, module = workerUrl("serve/model-worker"), ...init } = options;
    const beats = new Int32Array(new SharedArrayBuffer(4));
    const thread = await startThread<ModelApi>(module, { ...init, beats } satisfies ModelInit);
    return new ModelThread(thread, await thread.call("describe"), beats, options);
  }

  get call(): Thread<ModelApi>["call"] {
    return this.thread.call.bind(this.thread);
  }

  /** Frees the model and ends the thread. */
  async stop(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.watch);
    await this.thread.call("release").catch(() => undefined); // a thread that died has nothing left to free
    await this.thread.terminate();
  }

  private giveUp(hangMs: number, onDeath: () => void): void {
    this.isStopping = true;
    clearInterval(this.watch);
    this.thread.abandon(`gave no sign of life for ${hangMs} ms`);
    onDeath();
  }
}
