/** Execution providers: which work on this machine, and which one a session gets. */

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as ort from "onnxruntime-node";
import { RuntimeFailure } from "../errors.ts";
import { probeModel } from "./onnx-bytes.ts";
import type { SessionOptions } from "./session.ts";

export const providers = ["cpu", "webgpu", "cuda", "tensorrt"] as const;
export type Provider = (typeof providers)[number];

export interface ProviderState {
  name: Provider;
  usable: boolean;
  /** Why it is not usable and what to install, in one sentence. */
  problem?: string;
}

// What goes wrong is thrown, so ORT need not print it as well.
ort.env.logLevel = "fatal";

/** What ORT is asked for; TensorRT hands the ops it lacks to CUDA. CPU is always behind them. */
export const executionProviders = (provider: Provider): string[] =>
  provider === "tensorrt" ? ["tensorrt", "cuda"] : [provider];

const remedies: Record<Provider, string> = {
  cpu: 'reinstall onnxruntime-node with "npm ci"',
  webgpu: "install the graphics card's driver (on Linux with Vulkan: libvulkan1)",
  cuda: "install CUDA 12, cuDNN 9 and the NVIDIA driver",
  tensorrt: "install TensorRT 10, CUDA 12, cuDNN 9 and the NVIDIA driver",
};

const installCommand = "ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node";

/** True unless `provider` needs a library that onnxruntime-node downloads only on request, and it is absent. */
function hasLibrary(provider: Provider): boolean {
  if (provider === "cpu" || provider === "webgpu" || process.platform !== "linux") return true;
  const main = createRequire(import.meta.url).resolve("onnxruntime-node");
  const folder = join(dirname(main), "../bin/napi-v6", process.platform, process.arch);
  return existsSync(join(folder, `libonnxruntime_providers_${provider}.so`));
}

async function probe(provider: Provider): Promise<string | undefined> {
  if (!ort.listSupportedBackends().some(({ name }) => name === provider)) {
    return `provider ${provider}: onnxruntime-node does not have it for ${process.platform}/${process.arch}`;
  }
  if (!hasLibrary(provider)) {
    return `provider ${provider}: its library is not installed; ${remedies[provider]}, then run "${installCommand}"`;
  }
  try {
    const session = await ort.InferenceSession.create(probeModel, {
      executionProviders: executionProviders(provider),
      logSeverityLevel: 4,
    });
    await session.release();
    return undefined;
  } catch (error) {
    const [line = ""] = String((error as Error).message)
      .trim()
      .split("\n");
    const reason = line.replace(/^\/\S+ .* was false\. /, ""); // where in ORT's source it was noticed
    return `provider ${provider}: does not start here; ${remedies[provider]} (ORT: ${reason})`;
  }
}

const probes = new Map<Provider, Promise<string | undefined>>();

/** Why a provider cannot be used here, or undefined when it can; found once per thread by opening a tiny session. */
export function problemOf(provider: Provider): Promise<string | undefined> {
  const known = probes.get(provider) ?? probe(provider);
  probes.set(provider, known);
  return known;
}

/** Every provider with whether it works on this machine. */
export const listProviders = (): Promise<ProviderState[]> =>
  Promise.all(
    providers.map(async (name) => {
      const problem = await problemOf(name);
      return { name, usable: problem === undefined, problem };
    }),
  );

/**
 * The provider to open a session with. One that does not work here is replaced by cpu and `log` is told.
 * @throws RuntimeFailure (code unsupported) instead, when `forceProvider` is set.
 */
export async function chooseProvider(
  options: SessionOptions,
  log: (message: string) => void,
): Promise<Provider> {
  const { provider = "auto", forceProvider = false } = options;
  if (provider === "cpu") return "cpu";
  if (provider === "auto") {
    return hasLibrary("cuda") && (await problemOf("cuda")) === undefined ? "cuda" : "cpu";
  }
  const problem = await problemOf(provider);
  if (problem === undefined) return provider;
  if (forceProvider) throw new RuntimeFailure(problem, { code: "unsupported" });
  log(`${problem}; using cpu`);
  return "cpu";
}

const warned = new Set<string>();

/** The default `log`: each message once per process. */
export function warnOnce(message: string): void {
  if (!warned.has(message)) console.warn(message);
  warned.add(message);
}
