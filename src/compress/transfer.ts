/** Training examples of a teacher's making: texts without labels that it labels, and translations that it writes. */

import type { ClassificationExample, TranslationExample } from "../data/examples.ts";
import { splitExamples } from "../data/labels.ts";
import { readExamples } from "../data/read-examples.ts";
import { openGenerator } from "../generation/open-generator.ts";
import { readLabels } from "../tasks/labels.ts";
import { argmax } from "../tasks/scores.ts";
import { translationAnswers } from "../tasks/translation.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Lessons } from "./lessons.ts";
import { type Teacher, teacherHash } from "./teacher.ts";
import { keyOf, type TeacherCache } from "./teacher-cache.ts";

/** Text without labels, a line each, or documents of such lines. */
export interface TransferData {
  readonly path: string;
  /** Lines that are used, drawn by the seed. Default: all. */
  readonly count?: number | undefined;
}

/** The lines of a file or of a folder's files. @throws ConfigError when there are none. */
export async function readTransfer({ path, count }: TransferData, seed: number): Promise<string[]> {
  const { examples } = await readExamples("masked-lm", path);
  const lines = examples.flatMap(({ sentences }) => sentences);
  if (count === undefined || count >= lines.length) return lines;
  return splitExamples(lines, count / lines.length, seed).validation;
}

/** Texts with any label that the config allows, until the teacher has been asked. */
export function unlabelled(texts: readonly string[], { config, folder }: Teacher): ClassificationExample[] {
  const { id2label, problemType } = readLabels(config, folder);
  const label =
    problemType === "regression" ? 0 : problemType === "multi_label_classification" ? [] : id2label[0]!;
  return texts.map((text) => ({ text, label }));
}

/** The same with the labels that the teacher gives them; the first is item `first` of its lessons. */
export function labelled(
  examples: readonly ClassificationExample[],
  { config, folder }: Teacher,
  lessons: Lessons,
  first: number,
): ClassificationExample[] {
  const { id2label, problemType } = readLabels(config, folder);
  const labelOf = (logits: readonly number[]): ClassificationExample["label"] => {
    if (problemType === "regression") return logits[0]!;
    if (problemType === "multi_label_classification") return id2label.filter((_, at) => logits[at]! > 0);
    return id2label[argmax(logits)]!;
  };
  return examples.map(({ text }, at) => ({ text, label: labelOf([...lessons.rowOf("logits", first + at)]) }));
}

/** Beams where the teacher's own settings name no more than one. */
const defaultBeams = 4;

/** Sources of one file of the cache. */
const pieceSize = 256;

/**
 * The examples with the teacher's translations in place of theirs: sequence-level distillation.
 * Kim & Rush 2016, https://arxiv.org/abs/1606.07947
 */
export async function translated(
  examples: readonly TranslationExample[],
  teacher: Teacher,
  cache: TeacherCache,
  onProgress?: (done: number, total: number) => void,
): Promise<TranslationExample[]> {
  const model = await openGenerator(teacher.folder);
  const beams = Math.max(model.generator.defaults.num_beams ?? 1, 1);
  const options = { num_beams: beams > 1 ? beams : defaultBeams };
  const hash = await teacherHash(teacher);
  const results: TranslationExample[] = [];
  try {
    for (let first = 0; first < examples.length; first += pieceSize) {
      const sources = examples.slice(first, first + pieceSize).map(({ source }) => source);
      const key = keyOf(["translations 1", hash, JSON.stringify(options), JSON.stringify(sources)], []);
      const kept = await cache.get(key, async () => {
        const answers = sources.map((text) => translationAnswers.answer(model, { text }, options));
        const texts = (await Promise.all(answers)).map(([best]) => best!.translation_text);
        const bytes = Uint8Array.from(Buffer.from(JSON.stringify(texts)));
        return new Map([["texts", new Tensor("uint8", [bytes.length], bytes)]]);
      });
      const targets = JSON.parse(Buffer.from(kept.get("texts")!.data as Uint8Array).toString()) as string[];
      results.push(...sources.map((source, at) => ({ source, target: targets[at]! })));
      onProgress?.(results.length, examples.length);
    }
  } finally {
    await model.generator.release();
  }
  return results;
}
