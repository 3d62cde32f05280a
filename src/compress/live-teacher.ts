/** A teacher asked anew for every batch, where inputs change from epoch to epoch or its states are too many to keep. */

import { ignoredLabel } from "../nn/losses.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { teacherPrefix } from "../train/distillation.ts";
import type { Batch } from "../train/step.ts";
import type { Dataset } from "../train/task.ts";
import type { TeacherSession } from "./teacher.ts";

/** A data set whose batches bring the teacher's answers. It computes the next one while the student learns. */
export const askedLive = (dataset: Dataset, teacher: TeacherSession): Dataset => ({
  ...dataset,
  async collate(indices, length, random, epoch) {
    const batch = await dataset.collate(indices, length, random, epoch);
    return { ...batch, ...(await teacher.answer(batch)), ...askedMask(batch) };
  },
});

/** Where a vocabulary's scores are asked for some tokens only, those among them that have a label. */
function askedMask({ masked_positions: positions, labels }: Batch): Batch {
  if (!positions || !labels) return {};
  const known = labels.toNumbers();
  const counts = positions.toNumbers().map((at) => Number(known[at] !== ignoredLabel));
  return { [`${teacherPrefix}mask`]: Tensor.from("float32", [counts.length], counts) };
}

const probe = "The 3 quick brown foxes, naïve as they were, jumped over a dog's bed; 狐狸!";

/** Whether two tokenizers have one vocabulary and cut texts alike. */
export function readAlike(one: Tokenizer, other: Tokenizer): boolean {
  if (one.vocabSize !== other.vocabSize || String(one.encode(probe).ids) !== String(other.encode(probe).ids))
    return false;
  for (let id = 0; id < one.vocabSize; id++) if (one.idToToken(id) !== other.idToToken(id)) return false;
  return true;
}
