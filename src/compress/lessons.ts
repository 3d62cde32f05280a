/**
 * What a teacher says of every item of a data set, computed once and kept on disk. Items are matched by their number,
 * tags by the words they stand for, so that teacher and student may read texts in tokens of their own; the scores of
 * positions need the same tokens. B batch, T tokens, C classes.
 */

import { mapAhead } from "../data/map-ahead.ts";
import { ConfigError } from "../errors.ts";
import { deriveKey, Random } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { bucketByLength } from "../text/batch.ts";
import { teacherPrefix } from "../train/distillation.ts";
import type { Batch } from "../train/step.ts";
import type { Dataset } from "../train/task.ts";
import {
  exampleTensor,
  inItemOrder,
  joined,
  type RowKind,
  type Rows,
  rowsAt,
  tokenTensor,
  wordTensors,
} from "./lesson-rows.ts";
import type { TeacherSession } from "./teacher.ts";
import { keyOf, type TeacherCache, type Tensors } from "./teacher-cache.ts";

/** Items of one file of the cache, and of one batch of the teacher. */
const pieceSize = 256;
const batchSize = 32;

export interface LessonOptions {
  /** The data as the teacher reads it. */
  readonly dataset: Dataset;
  readonly teacher: TeacherSession;
  /** What decides the teacher's answers beside its inputs. */
  readonly teacherHash: string;
  readonly cache: TeacherCache;
  /** Epochs of which the teacher sees the items, as augmentation changes them; default 1. */
  readonly copies?: number;
  /** Told of items that are done, of all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Answers to one data set. */
export class Lessons {
  private constructor(
    private readonly items: number,
    private readonly copies: number,
    private readonly outputs: ReadonlyMap<string, { readonly kind: RowKind; readonly rows: Rows }>,
  ) {}

  /** Asks the teacher for whatever is not kept yet. */
  static async learn({ copies = 1, onProgress, ...options }: LessonOptions): Promise<Lessons> {
    const items = options.dataset.lengths.length;
    const pieces = Array.from({ length: copies }, (_, copy) => piecesOf(items, copy)).flat();
    const parts: Tensors[] = [];
    let done = 0;
    for await (const part of mapAhead(pieces, (piece) => learnPiece(piece, options), 2)) {
      done += pieces[parts.length]!.items.length;
      parts.push(part);
      onProgress?.(done, items * copies);
    }
    const names = [...parts[0]!.keys()].filter((name) => name.startsWith(teacherPrefix));
    const outputs = names.map((name) => {
      const [kind, output] = name.slice(teacherPrefix.length).split(":") as [RowKind, string];
      return [teacherPrefix + output, { kind, rows: joined(parts, name) }] as const;
    });
    return new Lessons(items, copies, new Map(outputs));
  }

  /** The rows of one item, such as its logits in the first copy. @throws ConfigError when the teacher gives none. */
  rowOf(output: string, item: number): Float32Array {
    const found = this.outputs.get(teacherPrefix + output);
    if (!found) throw new ConfigError(`distillation: the teacher gives no ${output}`);
    return rowsAt(found.rows, item);
  }

  /** The teacher's values for a student's batch of these items, in an epoch (from 0). */
  forBatch(batch: Batch, indices: readonly number[], epoch: number): Batch {
    const items = indices.map((index) => (epoch % this.copies) * this.items + index);
    const tensors = [...this.outputs].flatMap(([name, { kind, rows }]): [string, Tensor][] => {
      if (kind === "example") return [[name, exampleTensor(rows, items)]];
      if (kind === "tokens") return [[name, tokenTensor(rows, items, batch)]];
      const { values, mask } = wordTensors(rows, items, batch);
      return [
        [name, values],
        [`${teacherPrefix}mask`, mask],
      ];
    });
    return Object.fromEntries(tensors);
  }
}

/** Items of one copy that are learned together. */
interface Piece {
  readonly copy: number;
  readonly items: readonly number[];
}

const piecesOf = (items: number, copy: number): Piece[] =>
  Array.from({ length: Math.ceil(items / pieceSize) }, (_, at) => {
    const first = at * pieceSize;
    return { copy, items: Array.from({ length: Math.min(pieceSize, items - first) }, (_, i) => first + i) };
  });

type Source = Pick<LessonOptions, "dataset" | "teacher" | "teacherHash" | "cache">;

/** Collates a piece, and looks up or computes what the teacher says of exactly these inputs. */
async function learnPiece({ copy, items }: Piece, source: Source): Promise<Tensors> {
  const { dataset, teacher, teacherHash, cache } = source;
  const groups = bucketByLength(items, (item) => dataset.lengths[item]!, { batchSize });
  const batches: Batch[] = [];
  for (const group of groups) {
    const chosen = group.map((at) => items[at]!);
    const length = Math.max(...chosen.map((item) => dataset.lengths[item]!));
    batches.push(await dataset.collate(chosen, length, new Random(deriveKey(0, "teacher")), copy));
  }
  const read = new Set([...teacher.inputs, "labels"]);
  const inputs = batches.flatMap((batch) =>
    Object.entries(batch).filter(
      ([name, { shape }]) => read.has(name) && (name !== "labels" || shape.length > 1),
    ),
  );
  const key = keyOf(["lesson 1", teacherHash, ...teacher.outputs], inputs);
  return cache.get(key, async () => {
    const answers: Batch[] = [];
    for (const batch of batches) answers.push(await teacher.answer(batch));
    return inItemOrder(groups, batches, answers);
  });
}
