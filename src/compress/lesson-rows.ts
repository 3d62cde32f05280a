/**
 * A teacher's answers item by item, and as tensors of a student's batch. Answers to examples and to words do not depend
 * on either model's tokens. B batch, T tokens, C classes, R rows.
 */

import { ConfigError } from "../errors.ts";
import { ignoredLabel } from "../nn/losses.ts";
import { Tensor } from "../tensor/tensor.ts";
import { teacherPrefix } from "../train/distillation.ts";
import type { Batch } from "../train/step.ts";
import type { Tensors } from "./teacher-cache.ts";

/** Rows of one output for all items: those of item i are rows `starts[i]` to `starts[i + 1]`. */
export interface Rows {
  readonly values: Float32Array;
  readonly width: number;
  readonly starts: Int32Array;
}

/** How an output's rows belong to a batch's items: one each, one for each labelled word, or one for each token. */
export type RowKind = "example" | "words" | "tokens";

const kindOf = (name: string, { shape }: Tensor): RowKind =>
  /(start|end)_logits$/.test(name) ? "tokens" : shape.length === 3 ? "words" : "example";

/** Rows of all items in their order: `teacher.KIND:NAME` [R, width] and `counts.KIND:NAME` [items]. */
export function inItemOrder(
  groups: readonly (readonly number[])[],
  batches: readonly Batch[],
  answers: readonly Batch[],
): Tensors {
  const places = groups
    .flatMap((group, at) => group.map((item, row) => ({ item, at, row })))
    .sort((a, b) => a.item - b.item);
  const result = new Map<string, Tensor>();
  for (const [name, tensor] of Object.entries(answers[0]!)) {
    const kind = kindOf(name, tensor);
    const width = kind === "tokens" ? 1 : tensor.shape.at(-1)!;
    const rows = places.map(({ at, row }) => rowsIn(kind, answers[at]![name]!, batches[at]!, row));
    const values = new Float32Array(rows.reduce((sum, { length }) => sum + length, 0));
    let end = 0;
    for (const part of rows) {
      values.set(part, end);
      end += part.length;
    }
    const key = `${kind}:${name.slice(teacherPrefix.length)}`;
    const counts = rows.map(({ length }) => length / width);
    result.set(teacherPrefix + key, new Tensor("float32", [values.length / width, width], values));
    result.set(`counts.${key}`, Tensor.from("int64", [counts.length], counts));
  }
  return result;
}

/** The rows of one item in a batch's output. */
function rowsIn(kind: RowKind, { data, shape }: Tensor, batch: Batch, row: number): Float32Array {
  const size = shape.slice(1).reduce((product, dim) => product * dim, 1);
  const own = (data as Float32Array).subarray(row * size, (row + 1) * size);
  if (kind === "example") return own;
  if (kind === "tokens") return own.subarray(0, tokensIn(batch, row));
  const width = shape.at(-1)!;
  return Float32Array.from(
    labelledIn(batch, row).flatMap((at) => [...own.subarray(at * width, (at + 1) * width)]),
  );
}

/** Tokens of a row that are not padding. */
function tokensIn({ attention_mask: mask }: Batch, row: number): number {
  const length = mask!.shape[1]!;
  return mask!
    .toNumbers()
    .slice(row * length, (row + 1) * length)
    .filter((value) => value === 1).length;
}

/** Positions of a row that have a label: the first pieces of its words. */
function labelledIn({ labels }: Batch, row: number): number[] {
  const length = labels!.shape[1]!;
  const own = labels!.toNumbers().slice(row * length, (row + 1) * length);
  return [...own.keys()].filter((at) => own[at] !== ignoredLabel);
}

/** The rows of all pieces, one after the other. */
export function joined(parts: readonly Tensors[], name: string): Rows {
  const tensors = parts.map((part) => part.get(name)!);
  const values = new Float32Array(tensors.reduce((sum, { size }) => sum + size, 0));
  let end = 0;
  for (const { data } of tensors) {
    values.set(data as Float32Array, end);
    end += data.length;
  }
  const counts = parts.flatMap((part) => part.get(name.replace(teacherPrefix, "counts."))!.toNumbers());
  const starts = new Int32Array(counts.length + 1);
  for (const [at, count] of counts.entries()) starts[at + 1] = starts[at]! + count;
  return { values, width: tensors[0]!.shape[1]!, starts };
}

/** One item's rows, R · width numbers. */
export const rowsAt = ({ values, width, starts }: Rows, item: number): Float32Array =>
  values.subarray(starts[item]! * width, starts[item + 1]! * width);

/** [B, width]. */
export function exampleTensor(rows: Rows, items: readonly number[]): Tensor {
  const tensor = Tensor.zeros("float32", [items.length, rows.width]);
  for (const [row, item] of items.entries())
    (tensor.data as Float32Array).set(rowsAt(rows, item), row * rows.width);
  return tensor;
}

/** [B, T]. @throws ConfigError when the student's batch has other tokens. */
export function tokenTensor(rows: Rows, items: readonly number[], batch: Batch): Tensor {
  const tensor = Tensor.zeros("float32", [...batch.attention_mask!.shape]);
  const length = tensor.shape[1]!;
  for (const [row, item] of items.entries()) {
    const own = rowsAt(rows, item);
    if (own.length !== tokensIn(batch, row)) {
      throw new ConfigError(
        `distillation: item ${item} has ${tokensIn(batch, row)} tokens for the student and ${own.length} for the teacher; scores of positions need the teacher's tokenizer and maxLength`,
      );
    }
    (tensor.data as Float32Array).set(own, row * length);
  }
  return tensor;
}

/** [B, T, C] with a row at the first piece of each word that both have room for, and the mask [B, T] of these. */
export function wordTensors(
  rows: Rows,
  items: readonly number[],
  batch: Batch,
): { values: Tensor; mask: Tensor } {
  const [count, length] = batch.labels!.shape as [number, number];
  const { width } = rows;
  const values = Tensor.zeros("float32", [count, length, width]);
  const mask = Tensor.zeros("float32", [count, length]);
  for (const [row, item] of items.entries()) {
    const own = rowsAt(rows, item);
    const positions = labelledIn(batch, row).slice(0, own.length / width);
    for (const [word, at] of positions.entries()) {
      const place = row * length + at;
      (values.data as Float32Array).set(own.subarray(word * width, (word + 1) * width), place * width);
      mask.data[place] = 1;
    }
  }
  return { values, mask };
}
