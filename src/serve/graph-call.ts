/**
 * Runs a model's graph on tensors that callers made themselves. Rows are computed a few at a time, so that neither memory
 * nor other callers suffer from a large request.
 */

import { setImmediate } from "node:timers/promises";
import { RequestError, RuntimeFailure, ShapeError, TesseraeError } from "../errors.ts";
import { checkFeeds, wantedOutputs } from "../runtime/checks.ts";
import type { Feeds, Session, ValueInfo } from "../runtime/session.ts";
import type { OpenAnyModel } from "../tasks/open-for-task.ts";
import { maxLengthOf } from "../tasks/predictor.ts";
import { arrayOf } from "../tensor/dtype.ts";
import { sizeOf, Tensor } from "../tensor/tensor.ts";

/** The name that every graph gives to its first dimension. */
const batchName = "batch";
/** Elements of the largest input in one run: 4,096 tokens, or a picture at a time. */
const maxRunElements = 4096;
/** Bytes of all outputs of one call. */
const maxAnswerBytes = 64 * 2 ** 20;

/** Tensors for a model's graph, and the names of the outputs wanted, default all. */
export interface GraphCall {
  readonly feeds: Feeds;
  readonly outputs?: readonly string[] | undefined;
}

/** What a graph takes and gives. */
export type GraphDescription = Pick<Session, "inputs" | "outputs">;

/** A model's one graph. */
export interface ModelGraph {
  readonly session: Session;
  /** Most elements of dimensions that vary, such as tokens of a row. */
  readonly maxLength: number;
}

/** @throws RequestError when the model is more than one graph. */
export function graphOf(model: OpenAnyModel): ModelGraph {
  if (!("session" in model)) {
    throw new RequestError(
      `infer: ${model.architecture.name} is more than one graph; send texts or pictures as "inputs"`,
      {
        code: "unsupported",
      },
    );
  }
  const { session, config, folder } = model;
  const maxLength = "tokenizer" in model ? maxLengthOf(config, model.tokenizer, folder) : maxRunElements;
  return { session, maxLength };
}

/**
 * The outputs wanted, default all.
 * @throws ShapeError when the tensors do not fit the graph or each other; RequestError when it cannot compute them, or
 * gives too much; RuntimeFailure, code interrupted, when `signal` aborts.
 */
export async function callGraph(
  { session, maxLength }: ModelGraph,
  { feeds, outputs }: GraphCall,
  signal?: AbortSignal,
): Promise<Record<string, Tensor>> {
  checkFeeds("infer", session.inputs, feeds);
  const names = Object.keys(wantedOutputs("infer", session.outputs, outputs));
  const sizes = sizesByName(session.inputs, feeds, maxLength);
  const rows = sizes.get(batchName);
  const infos = [...session.inputs, ...session.outputs.filter(({ name }) => names.includes(name))];
  if (rows === undefined || infos.some(({ shape }) => shape[0] !== batchName))
    return run(session, feeds, names);

  const perRow = Math.max(...Object.values(feeds).map(({ size }) => size / rows));
  const step = Math.max(1, Math.floor(maxRunElements / perRow));
  const parts: Record<string, Tensor>[] = [];
  for (let from = 0; from < rows; from += step) {
    if (from > 0) await setImmediate(); // other calls, and the news that the caller went away
    if (signal?.aborted) throw new RuntimeFailure("infer: the caller went away", { code: "interrupted" });
    parts.push(await run(session, rowsOf(feeds, from, Math.min(from + step, rows)), names));
    assertAnswerSize(parts[0]!, rows, Math.min(step, rows));
  }
  return Object.fromEntries(names.map((name) => [name, stack(parts.map((part) => part[name]!))]));
}

/** The size of every dimension that has a name. @throws ShapeError where two differ, or one is 0 or too large. */
function sizesByName(inputs: readonly ValueInfo[], feeds: Feeds, maxLength: number): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { name, shape } of inputs) {
    for (const [axis, dim] of shape.entries()) {
      if (typeof dim === "number" || dim === "") continue;
      const size = feeds[name]!.shape[axis]!;
      const known = sizes.get(dim) ?? size;
      if (size !== known)
        throw new ShapeError(`infer: ${name}: its ${dim} is ${size}, but another input's is ${known}`);
      if (size < 1 || (dim !== batchName && size > maxLength)) {
        const most = dim === batchName ? "" : ` and at most ${maxLength}`;
        throw new ShapeError(`infer: ${name}: its ${dim} must be at least 1${most}, got ${size}`);
      }
      sizes.set(dim, size);
    }
  }
  return sizes;
}

/** @throws RequestError when ONNX Runtime fails, as it does for ids that are not in the vocabulary. */
async function run(
  session: Session,
  feeds: Feeds,
  names: readonly string[],
): Promise<Record<string, Tensor>> {
  try {
    return await session.run(feeds, names);
  } catch (cause) {
    const reason = (cause as Error).cause;
    if (!(cause instanceof TesseraeError) || !(reason instanceof Error)) throw cause;
    throw new RequestError(`infer: the graph cannot compute these tensors (${reason.message.trim()})`, {
      cause,
    });
  }
}

const rowsOf = (tensors: Feeds, from: number, to: number): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape, data }]) => {
      const perRow = sizeOf(shape.slice(1));
      const part = data.subarray(from * perRow, to * perRow);
      return [name, new Tensor(dtype, [to - from, ...shape.slice(1)], part)];
    }),
  );

/** Parts one below the other. */
function stack(parts: readonly Tensor[]): Tensor {
  const [first] = parts;
  if (parts.length === 1) return first!;
  const { dtype, shape } = first!;
  const data = new (arrayOf(dtype))(parts.reduce((size, part) => size + part.size, 0));
  let at = 0;
  for (const part of parts) {
    (data as Uint8Array).set(part.data as Uint8Array, at);
    at += part.size;
  }
  return new Tensor(dtype, [data.length / sizeOf(shape.slice(1)), ...shape.slice(1)], data);
}

function assertAnswerSize(part: Readonly<Record<string, Tensor>>, rows: number, partRows: number): void {
  const bytes =
    Object.values(part).reduce((total, { sizeBytes }) => total + sizeBytes, 0) * (rows / partRows);
  if (bytes <= maxAnswerBytes) return;
  throw new RequestError(
    `infer: the outputs of ${rows} rows would have ${Math.round(bytes)} bytes, at most ${maxAnswerBytes} are sent; ask for fewer rows or outputs`,
  );
}
