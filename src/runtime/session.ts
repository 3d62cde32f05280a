/** What runs an ONNX model: named tensors in, named tensors out. */

import type { DType } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ExitRule } from "./exit-rule.ts";
import type { OpProfile } from "./profile.ts";
import type { Provider } from "./providers.ts";

/**
 * A model as a file or as bytes. A file's external weights lie in its own folder; those of bytes in `weightsFolder`.
 * ORT maps them into memory (no copy, any alignment) and refuses absolute locations and files outside that folder,
 * symbolic links resolved. `name` is for messages.
 */
export type ModelSource =
  | { readonly path: string }
  | { readonly bytes: Uint8Array; readonly weightsFolder?: string; readonly name?: string };

/**
 * A classifier in graphs that run one after the other, and when a row of a batch need not go on. Each stage gives
 * `logits.N` [B, C] of its layers, counted from 0, and all but the last `hidden`, which the next takes as `previous`;
 * the first may give a `bias` that all others take.
 */
export interface StagedSource {
  readonly stages: readonly ModelSource[];
  readonly exit: ExitRule;
  readonly name?: string;
}

/** What weights and products are computed in. */
export const computePrecisions = ["fp32", "fp16"] as const;
export type ComputePrecision = (typeof computePrecisions)[number];

export interface SessionOptions {
  /** "auto" is cuda where its library is installed and works, else cpu. Default "auto". */
  provider?: Provider | "auto";
  /** Throw when `provider` does not work here, instead of falling back to cpu. Default false. */
  forceProvider?: boolean;
  /** Of graphs that are made when a model folder is opened; files run as they are. fp16 is for GPUs. Default "fp32". */
  precision?: ComputePrecision;
  /** Threads of one op, from 1. Default: the CPUs this process may use, cgroup limits counted. */
  threads?: number;
  /**
   * Microseconds for which a thread that waits for work burns its CPU before it sleeps, 0 for none. Some is needed to
   * bridge the gaps between ops; ORT's own, much longer default is ruinous on a shared machine. Default 200.
   */
  spinMicroseconds?: number;
  /** Keep freed memory for later runs. Off saves a third of a training step's peak memory. Default true. */
  arena?: boolean;
  /** Lay matmul weights out anew: 10 % faster runs, but slower to open and the weights copied. Default true. */
  prepack?: boolean;
  /**
   * Let ORT write outputs straight into the tensors given to `run`, or made here where the shape is fixed. Without it
   * onnxruntime-node 1.30 makes one more copy of every output (0.65 ms per MB). It takes effect in runs whose outputs
   * all have a tensor or a fixed shape (`[]` is a scalar). Needs opset 11. Default false.
   */
  inPlaceOutputs?: boolean;
  /** ORT's own graph optimizations. Default "all". */
  optimization?: "all" | "extended" | "basic" | "disabled";
  /** Record the time of every op for `profile()`. Default false. */
  profile?: boolean;
  /** Told once per process and provider that cpu is used instead. Default `console.warn`. */
  log?: (message: string) => void;
}

/** An input or output. A size is a number or the name of a symbolic dimension. */
export interface ValueInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly (number | string)[];
}

export type Feeds = Readonly<Record<string, Tensor>>;

/** Outputs wanted by name, or tensors to write into by output name (null: allocate). */
export type Fetches = readonly string[] | Readonly<Record<string, Tensor | null>>;

export interface RunOptions {
  /** Allow a session in another thread to take the feeds' memory instead of copying it; they become unusable. */
  give?: boolean;
}

export interface Session {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** The execution provider in use. */
  readonly provider: Provider;
  /**
   * Runs the model once; all outputs by default. A tensor in `fetches` is written and is the one returned.
   * Feeds must not change until the promise settles. Concurrent runs queue.
   * @throws ShapeError for feeds or fetches that do not fit the model, RuntimeFailure when ORT fails.
   */
  run(feeds: Feeds, fetches?: Fetches, options?: RunOptions): Promise<Record<string, Tensor>>;
  /** Time spent by op type or by node, since the session opened; recording ends with the first call. */
  profile(by?: "op" | "node"): Promise<OpProfile[]>;
  /** Waits for runs under way, then frees everything; may be called twice. */
  release(): Promise<void>;
}
