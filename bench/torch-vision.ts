/** PyTorch's half of the picture benches. PyTorch is Debian's: apt-get install python3-torch libopenblas0-pthread. */

import { fileURLToPath } from "node:url";
import { availableThreads } from "../src/runtime/index.ts";
import { type Answer, Peer } from "./peer.ts";
import { parameterCount, visionModels } from "./vision-models.ts";

const script = fileURLToPath(new URL("./torch_vision.py", import.meta.url));

/** Starts PyTorch on one of `visionModels`; undefined, with a word about it, where it is not installed. */
export async function startTorch(model: string, batch: number, training: boolean): Promise<Peer | undefined> {
  const { side } = visionModels[model]!;
  const work = JSON.stringify({ model, batch, side, training, threads: availableThreads() });
  const peer = await Peer.start("/usr/bin/python3", ["-B", script, work]); // -B: no __pycache__ beside the sources
  if (!peer) console.log("PyTorch is not installed (apt-get install python3-torch libopenblas0-pthread)");
  return peer;
}

/** @throws Error when PyTorch's model has another number of parameters than ours. */
export function checkParameters(model: string, { parameters }: Answer): void {
  const own = parameterCount(visionModels[model]!);
  if (parameters !== own) throw new Error(`${model}: ${own} parameters, but ${parameters} in PyTorch`);
}
