/** From our options and model sources to those of onnxruntime-node. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { InferenceSession } from "onnxruntime-node";
import { ConfigError } from "../errors.ts";
import { withVoidOutput } from "./onnx-bytes.ts";
import { executionProviders, type Provider } from "./providers.ts";
import type { ModelSource, SessionOptions, StagedSource } from "./session.ts";
import { availableThreads } from "./threads.ts";

/** How messages name a model. */
export function nameOf(source: ModelSource | StagedSource): string {
  return `session ${"path" in source ? basename(source.path) : (source.name ?? "of bytes")}`;
}

/** `weightsFolder` and `profilePrefix` (the profile's path without its ending) where there are any. */
export function ortOptions(
  options: SessionOptions,
  provider: Provider,
  { weightsFolder, profilePrefix }: { weightsFolder?: string; profilePrefix?: string },
): InferenceSession.SessionOptions {
  const { threads = availableThreads(), spinMicroseconds = 200, prepack = true } = options;
  return {
    executionProviders: executionProviders(provider),
    intraOpNumThreads: threads,
    enableCpuMemArena: options.arena ?? true,
    graphOptimizationLevel: options.optimization ?? "all",
    logSeverityLevel: 4, // errors are thrown; ORT need not print them too
    ...(profilePrefix && { enableProfiling: true, profileFilePrefix: profilePrefix }),
    extra: {
      // ORT's fusion of skip and norm is two to four times slower on a CPU than the ops it replaces.
      ...(provider === "cpu" && { optimization: { disable_specified_optimizers: "SkipLayerNormFusion" } }),
      session: {
        "intra_op.allow_spinning": spinMicroseconds > 0 ? "1" : "0",
        ...(spinMicroseconds > 0 && { "intra_op.spin_duration_us": String(spinMicroseconds) }),
        disable_prepacking: prepack ? "0" : "1",
        ...(weightsFolder !== undefined && { model_external_initializers_file_folder_path: weightsFolder }),
      },
    },
  };
}

export interface LoadedSource {
  /** A path or the bytes of a model. */
  model: string | Uint8Array;
  /** Where the external weights of bytes lie. */
  weightsFolder?: string;
}

/** What ORT is given to load. @throws ConfigError (code not_found) when the file is missing. */
export async function loadSource(source: ModelSource, inPlaceOutputs: boolean): Promise<LoadedSource> {
  if ("bytes" in source) {
    const { bytes, weightsFolder } = source;
    return { model: inPlaceOutputs ? withVoidOutput(bytes) : bytes, weightsFolder };
  }
  if (!existsSync(source.path)) {
    throw new ConfigError(`${nameOf(source)}: there is no file ${source.path}`, { code: "not_found" });
  }
  if (!inPlaceOutputs) return { model: source.path };
  return { model: withVoidOutput(await readFile(source.path)), weightsFolder: dirname(source.path) };
}
