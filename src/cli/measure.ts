/** Models on random inputs. */

import { type ConfigJson, readConfig } from "../models/config.ts";
import { openImageModel, openModel } from "../models/open.ts";
import { readsPicturesAlone } from "../models/picture-tasks.ts";
import { architectureOf } from "../models/registry.ts";
import type { Feeds, Session, SessionOptions } from "../runtime/session.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";

/** A model's whole graph, of one that generates the pass over all tokens at once. */
export interface WholeModel {
  readonly session: Session;
  readonly config: ConfigJson;
  /** False for pictures alone. */
  readonly readsTexts: boolean;
}

/** @throws as `openModel`. */
export async function openWhole(folder: string, options: SessionOptions): Promise<WholeModel> {
  const config = await readConfig(folder);
  const readsTexts = !readsPicturesAlone(architectureOf(config, folder).task);
  const { session } = await (readsTexts ? openModel : openImageModel)(folder, options);
  return { session, config, readsTexts };
}

/** Rows of a batch and tokens of a row. */
export interface InputSizes {
  readonly batch: number;
  readonly length: number;
}

/** Sizes of the symbolic axes that models have; any other is 2. */
const axisSize = (axis: string, { batch, length }: InputSizes): number => {
  if (["batch", "texts", "images"].includes(axis)) return batch;
  return ["length", "target_length"].includes(axis) ? length : 2;
};

/** Sizes by the symbols of a model's graph. */
export const sizesBySymbol = (symbols: Iterable<string>, sizes: InputSizes): Record<string, number> =>
  Object.fromEntries([...symbols].map((symbol) => [symbol, axisSize(symbol, sizes)]));

/** Random tokens and pixels, everything attended to, one segment. */
export function randomFeeds({ inputs }: Session, config: ConfigJson, sizes: InputSizes): Feeds {
  const random = new Random(0);
  const words = vocabularySize(config);
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape }) => {
      const dims = shape.map((axis) => (typeof axis === "number" ? axis : axisSize(axis, sizes)));
      const tensor = Tensor.zeros(dtype, dims);
      if (name === "token_type_ids") return [name, tensor];
      const draw = (): number => {
        if (dtype === "float32") return random.normal();
        return /input_ids$|^text$/.test(name) ? random.integer(words) : 1;
      };
      return [name, Tensor.from(dtype, dims, Array.from({ length: tensor.size }, draw))];
    }),
  );
}

function vocabularySize({ vocab_size, text_config }: ConfigJson): number {
  const nested = typeof text_config === "object" ? (text_config as ConfigJson | null)?.vocab_size : undefined;
  return Number(vocab_size ?? nested ?? 1000);
}

const warmUpRuns = 2;

/** Runs that are not measured: the first ones allocate memory, and on a GPU compile kernels. */
export async function warmUp(session: Session, feeds: Feeds): Promise<void> {
  for (let run = 0; run < warmUpRuns; run++) await session.run(feeds);
}

/** Milliseconds of each run, ascending. */
export async function timeRuns(session: Session, feeds: Feeds, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < count; run++) {
    const start = performance.now();
    await session.run(feeds);
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b);
}

/** The most tokens of a model that has a place for each, where the config says so. */
export function mostTokens({ max_position_embeddings, n_positions, text_config }: ConfigJson): number {
  const nested =
    typeof text_config === "object" ? (text_config as ConfigJson | null)?.max_position_embeddings : undefined;
  return Number(max_position_embeddings ?? n_positions ?? nested ?? Number.POSITIVE_INFINITY);
}
