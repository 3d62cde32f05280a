/** Sessions over the graphs of a model folder's decoder and encoder. */

import { ConfigError } from "../errors.ts";
import { readConfig } from "../models/config.ts";
import { isGenerative } from "../models/generative.ts";
import { encodeGraph, type SessionOpener } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { targetOf } from "../models/target.ts";
import { storedNames, type TracedGraph } from "../models/trace.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { Decoder } from "./decoder.ts";
import { traceDecoder } from "./trace-decoder.ts";

/**
 * Opens a model folder for generation, in the calling thread. Weights are mapped into memory where they lie.
 * @throws ConfigError, code unsupported, when the model does not generate; WeightError when weights do not fit it.
 */
export async function openDecoder(folder: string, options: SessionOptions = {}): Promise<Decoder> {
  const config = await readConfig(folder);
  const architecture = architectureOf(config, folder);
  const model = architecture.build(config);
  if (!isGenerative(model)) {
    throw new ConfigError(
      `${folder}: ${architecture.name} is for ${architecture.task} and generates no text`,
      {
        code: "unsupported",
      },
    );
  }
  const { step, encoder } = traceDecoder(
    model,
    storedNames(architecture, model),
    architecture.inputs(config),
  );
  const { target, settled } = await targetOf(options);
  const open = async (graph: TracedGraph, more: SessionOptions = {}): ReturnType<SessionOpener> => {
    const encoded = await encodeGraph(folder, architecture, graph, { target });
    return OrtSession.open({ ...encoded, name: folder }, { ...settled, ...more });
  };
  const encoderSession = encoder && (await open(encoder));
  try {
    const stepSession = await open(step, { inPlaceOutputs: target.provider === "cpu" });
    return new Decoder(stepSession, encoderSession, model);
  } catch (error) {
    await encoderSession?.release();
    throw error;
  }
}
