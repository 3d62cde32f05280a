/** From the flags of `tesserae compress` to a search. */

import { join } from "node:path";
import type { Contract } from "../compress/choice.ts";
import type { CompressRequest } from "../compress/compress.ts";
import { narrowerConfig } from "../compress/narrower.ts";
import type { Lessons, Student } from "../compress/search-students.ts";
import { layersOf, shallowerConfig } from "../compress/student.ts";
import { readTeacher, type Teacher } from "../compress/teacher.ts";
import { RequestError } from "../errors.ts";
import { assertStoreName, storeNameOf } from "../store/ref.ts";
import { isImageTask } from "../tasks/image-training.ts";
import { dataTaskOf } from "../tasks/tasks.ts";
import type { CompressFlags } from "./compress-flags.ts";
import { noteData, readOptions } from "./data-options.ts";
import { prepareEvaluationData } from "./evaluation-data.ts";
import { assertFlagsFit } from "./image-options.ts";
import { findFolder } from "./initial-model.ts";
import type { Output } from "./output.ts";
import { withFields } from "./set-fields.ts";
import { distilOptions, transferOf } from "./teacher-options.ts";
import { trainOptions } from "./train-flags.ts";

/** @throws ConfigError or RequestError when a flag, the data or the model does not hold. */
export async function setUpCompress(
  model: string | undefined,
  flags: CompressFlags,
  output: Output,
): Promise<CompressRequest> {
  const { data, validation } = flags;
  if (model === undefined || data === undefined || validation === undefined)
    throw new RequestError("compress: a model, --data and --validation must be given; --help shows examples");
  const { folder, parent } = await findFolder(model);
  const teacher = await readTeacher(folder, parent);
  const name = flags.name ?? `${storeNameOf(parent.split("@")[0]!)}-compressed`;
  assertStoreName(name);
  const { task, dataset, badRows, truncated } = await prepareEvaluationData(folder, teacher.config, {
    ...flags,
    data: validation,
  });
  noteData(output, badRows, truncated);
  const training = await prepareEvaluationData(folder, teacher.config, { ...flags, data });
  return {
    lessons: lessonsOf(teacher, flags, { data, validation }, output),
    examples: { task, dataset },
    calibration: training.dataset,
    students: studentsOf(teacher, flags),
    kinds: flags.kinds ?? ["dynamic", "static", "weight-only"],
    contract: contractOf(flags),
    name,
    output: flags.output ?? join("runs", name),
  };
}

const contractOf = ({ maxDrop = 1, targetLatency, targetSize }: CompressFlags): Contract => ({
  maxDrop,
  targetLatencyMs: targetLatency,
  targetSizeBytes: targetSize,
});

function lessonsOf(
  teacher: Teacher,
  { layers: _, ...flags }: CompressFlags,
  { data, validation }: { readonly data: string; readonly validation: string },
  output: Output,
): Lessons {
  const head = teacher.architecture.task;
  const { seed, strict, trainShare, imageColumn, labelColumn, augment } = flags;
  assertFlagsFit(head, isImageTask(head) ? "pictures" : "texts", flags);
  const common = {
    ...distilOptions(teacher, flags, output),
    options: trainOptions(flags),
  };
  const paths = { trainPath: data, validationPath: validation, ...(seed !== undefined && { seed }) };
  if (!isImageTask(head)) {
    const transfer = transferOf(flags);
    const files = { ...paths, ...readOptions(flags) };
    return { ...common, task: dataTaskOf(head), files, ...(transfer && { transfer }) };
  }
  const files = {
    ...paths,
    ...(strict && { strict }),
    ...(trainShare !== undefined && { trainShare }),
    ...(imageColumn !== undefined && { imageColumn }),
    ...(labelColumn !== undefined && { labelColumn }),
  };
  return { ...common, task: head, files, ...(augment && { augment }) };
}

/** Students of every depth in every width. */
function studentsOf(teacher: Teacher, { layers, widths, set }: CompressFlags): Student[] {
  const depth = layersOf(teacher);
  const usual = [depth >> 1, depth >> 2].filter((count) => count > 0);
  const depths = [...new Set(layers ?? usual)].filter((count) => count > 0);
  return depths.flatMap((count) => {
    const config = shallowerConfig(teacher, count);
    if (!widths) return [{ name: `layers ${count}`, config: withFields(config, set) }];
    return widths.map((width) => ({
      name: `layers ${count}, width ${width}`,
      config: withFields(narrowerConfig(config, width), set),
    }));
  });
}
