/** Smaller and faster models: students that follow a teacher. */

export { type CompressRequest, type CompressResult, compress } from "./compress.ts";
export { distil, type PictureRequest, type TextRequest } from "./distil.ts";
export type { DistillationFields } from "./objective.ts";
export { shallowerConfig, spreadLayers } from "./student.ts";
export type { DistilOptions } from "./taught-run.ts";
export { readTeacher, type Teacher } from "./teacher.ts";
