/** Options of commands that run models: the device, the precision, the threads. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { type Provider, providers } from "../runtime/providers.ts";
import { type ComputePrecision, computePrecisions, type SessionOptions } from "../runtime/session.ts";
import { defaultStoreRoot } from "../store/store.ts";
import { wholeNumber } from "./command.ts";

export interface DeviceFlags {
  readonly device?: Provider;
  readonly precision?: ComputePrecision;
  readonly threads?: number;
}

export const addDeviceOptions = (command: Command): Command =>
  command
    .addOption(
      new Option("--device <device>", "where to compute; default: cuda where it works, else cpu").choices(
        providers,
      ),
    )
    .addOption(
      new Option("--precision <precision>", "what to compute in; fp16 is for GPUs; default: fp32").choices(
        computePrecisions,
      ),
    )
    .option("--threads <number>", "threads of ONNX Runtime; default: all", wholeNumber(1));

/** The flags that were given. A device that is named must work; there is no fall-back to another. */
export function deviceOptions({ device, precision, threads }: DeviceFlags): SessionOptions {
  if (device === "tensorrt") keepEngines();
  return {
    ...(device !== undefined && { provider: device, forceProvider: true }),
    ...(precision !== undefined && { precision }),
    ...(threads !== undefined && { threads }),
  };
}

/**
 * TensorRT builds an engine for a model in minutes. onnxruntime-node passes it no options, so the cache is asked for by
 * the variables that ONNX Runtime reads; those of the user win.
 */
function keepEngines(): void {
  const folder = join(defaultStoreRoot(), "engines");
  mkdirSync(folder, { recursive: true });
  process.env.ORT_TENSORRT_ENGINE_CACHE_ENABLE ??= "1";
  process.env.ORT_TENSORRT_CACHE_PATH ??= folder;
}
