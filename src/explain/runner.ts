/** Runs the graphs of an explanation over the weights of a model folder. */

import { type ConfigJson, readConfig } from "../models/config.ts";
import type { Architecture } from "../models/model.ts";
import { encodeGraph } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import type { TracedGraph } from "../models/trace.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import type { Feeds, SessionOptions } from "../runtime/session.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A model folder whose graphs can be run. */
export class ModelRunner {
  private constructor(
    readonly folder: string,
    readonly config: ConfigJson,
    readonly architecture: Architecture,
    private readonly options: SessionOptions,
  ) {}

  /** @throws ConfigError when the folder is incomplete or of an unknown architecture. */
  static async open(folder: string, options: SessionOptions): Promise<ModelRunner> {
    return ModelRunner.of(folder, await readConfig(folder), options);
  }

  /** The same with the folder's config, or one that names another class of the same weights. */
  static of(folder: string, config: ConfigJson, options: SessionOptions): ModelRunner {
    return new ModelRunner(folder, config, architectureOf(config, folder), options);
  }

  /** The outputs for each of several feeds; values that the graph does not read may be among them. */
  async run(graph: TracedGraph, allFeeds: readonly Feeds[]): Promise<Record<string, Tensor>[]> {
    const encoded = await encodeGraph(this.folder, this.architecture, graph);
    const session = await OrtSession.open({ ...encoded, name: this.folder }, this.options);
    try {
      const results: Record<string, Tensor>[] = [];
      for (const feeds of allFeeds) {
        const read = session.inputs.flatMap(({ name }) =>
          feeds[name] ? [[name, feeds[name]] as const] : [],
        );
        results.push(await session.run(Object.fromEntries(read)));
      }
      return results;
    } finally {
      await session.release();
    }
  }
}
