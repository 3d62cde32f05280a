/**
 * The first runs of a model that was just opened: they show whether it computes at all, bring its memory into place, and
 * measure what batches cost on this machine.
 */

import { checkGolden, checkVariant } from "../compress/gate.ts";
import { RuntimeFailure } from "../errors.ts";
import type { Feeds, Session, SessionOptions } from "../runtime/session.ts";
import { feedsOf } from "../tasks/batch-runner.ts";
import type { OpenAnyModel } from "../tasks/open-for-task.ts";
import { maxLengthOf } from "../tasks/predictor.ts";
import { Tensor } from "../tensor/tensor.ts";
import { padBatch } from "../text/batch.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { isVariantFolder } from "../weights/variant-folder.ts";

/** Rows and tokens of the runs, as many as fit into the time. The first is run twice, since it is slower then. */
const textShapes = [
  [1, 8],
  [1, 8],
  [8, 8],
  [1, 32],
  [4, 32],
  [1, 128],
  [8, 32],
] as const;
const pictureCounts = [1, 1, 2, 4] as const;
const timeMs = 300;

/** @throws as `checkGolden` when the model is a variant that does not give its golden outputs here. */
export async function passGate(model: OpenAnyModel, options: SessionOptions = {}): Promise<void> {
  if (!isVariantFolder(model.folder)) return;
  if ("session" in model) await checkGolden(model.folder, model.session);
  else await checkVariant(model.folder, options);
}

/**
 * Models that generate are not run, and none whose inputs cannot be made up.
 * @throws RuntimeFailure when an output is not finite; what the session throws.
 */
export async function warmUp(model: OpenAnyModel): Promise<void> {
  if ("generator" in model) return;
  const session = "texts" in model ? model.images : model.session;
  const startMs = performance.now();
  for (const feeds of feedsToTry(model, session)) {
    assertFinite(model.folder, await session.run(feeds));
    if (performance.now() - startMs > timeMs) return;
  }
}

function* feedsToTry(
  model: Exclude<OpenAnyModel, { generator: unknown }>,
  session: Session,
): Generator<Feeds> {
  if ("preprocessor" in model) {
    const fixed = session.inputs.map(({ shape }) => shape.slice(1));
    const isFixed = fixed.flat().every((size) => typeof size === "number");
    if (!isFixed || session.inputs.some(({ dtype }) => dtype !== "float32")) return;
    for (const count of pictureCounts) yield pictureFeeds(session, count);
    return;
  }
  const { tokenizer, config, folder } = model;
  const longest = maxLengthOf(config, tokenizer, folder);
  for (const [rows, length] of textShapes)
    yield textFeeds(session, tokenizer, rows, Math.min(length, longest));
}

function textFeeds(session: Session, tokenizer: Tokenizer, rows: number, length: number): Feeds {
  const { ids } = tokenizer.encode("a");
  const text = {
    ids: Array.from({ length }, (_, at) => ids[Math.min(at, ids.length - 1)]!),
    typeIds: Array<number>(length).fill(0),
  };
  return feedsOf(session, padBatch(Array(rows).fill(text), { padId: tokenizer.padId }));
}

const pictureFeeds = (session: Session, count: number): Feeds =>
  Object.fromEntries(
    session.inputs.map(({ name, shape }) => {
      const sizes = [count, ...(shape.slice(1) as number[])];
      return [name, Tensor.zeros("float32", sizes)];
    }),
  );

/** −∞ is allowed: it says that something is impossible. */
function assertFinite(folder: string, outputs: Readonly<Record<string, Tensor>>): void {
  for (const [name, { data, dtype }] of Object.entries(outputs)) {
    if (dtype !== "float32") continue;
    const bad = (data as Float32Array).find(
      (value) => Number.isNaN(value) || value === Number.POSITIVE_INFINITY,
    );
    if (bad === undefined) continue;
    throw new RuntimeFailure(
      `${folder}: gives ${bad} in its output ${name} for a plain input; its weights are damaged, make the model again`,
    );
  }
}
