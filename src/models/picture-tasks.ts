/** Tasks whose models read pictures. */

import type { TaskName } from "./model.ts";

const pictureTasks: readonly TaskName[] = [
  "image-classification",
  "image-feature-extraction",
  "masked-image-modeling",
];

export const readsPicturesAlone = (task: TaskName): boolean => pictureTasks.includes(task);

const pictureTextTasks: readonly TaskName[] = [
  "zero-shot-image-classification",
  "image-to-text",
  "visual-question-answering",
  "image-text-retrieval",
  "image-text-to-text",
];

/** Whether questions hold pictures, alone or with texts. */
export const readsPictures = (task: TaskName): boolean =>
  readsPicturesAlone(task) || pictureTextTasks.includes(task);
