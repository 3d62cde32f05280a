/** Tasks whose models read pictures and nothing else. */

import type { TaskName } from "./model.ts";

const pictureTasks: readonly TaskName[] = [
  "image-classification",
  "image-feature-extraction",
  "masked-image-modeling",
];

export const readsPicturesAlone = (task: TaskName): boolean => pictureTasks.includes(task);
