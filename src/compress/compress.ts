/**
 * A search for a smaller and faster form of a classifier: its own variants first, which cost minutes, then students and
 * their variants. All are measured in turns with the teacher on this machine.
 */

import { stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { ConfigError } from "../errors.ts";
import { hashFile, type Lineage } from "../store/manifest.ts";
import { ModelStore } from "../store/store.ts";
import { labelsIn } from "../tasks/labels.ts";
import { type Contract, chosenOf, hasTarget, meets } from "./choice.ts";
import { dataFilesOf } from "./distil.ts";
import { type Examples, type Figures, type Yardstick, yardstickOf } from "./figures.ts";
import { paretoFront } from "./pareto.ts";
import { type Published, publishTrial } from "./publish-trial.ts";
import type { QuantizationKind } from "./quantization-plan.ts";
import { type Lessons, type Student, type StudentHooks, StudentSearch } from "./search-students.ts";
import { type Subject, Trials } from "./search-trials.ts";
import { teacherHash } from "./teacher.ts";
import { hashOf, type Trial, TrialFolder } from "./trial-folder.ts";

export interface CompressRequest {
  /** Teacher, training data and how students are trained. */
  readonly lessons: Lessons;
  /** Labelled examples on which all are measured. */
  readonly examples: Examples;
  /** Examples from which static ranges are taken. */
  readonly calibration: Examples["dataset"];
  readonly students: readonly Student[];
  readonly kinds: readonly QuantizationKind[];
  readonly contract: Contract;
  /** Of the result in the store. */
  readonly name: string;
  /** Folder of the search. A search that was stopped goes on in it. */
  readonly output: string;
  readonly store?: ModelStore;
  readonly lineage?: Lineage;
}

/** A trial that was measured. */
export type Measured = Trial & { readonly figures: Figures };

export interface CompressResult {
  readonly trials: readonly Trial[];
  /** What nothing else beats in accuracy, speed and size; refused ones are not among them. */
  readonly front: readonly Measured[];
  /** Undefined where all are refused. */
  readonly chosen?: Measured | undefined;
  /** Whether the chosen one meets the contract; only then it is in the store. */
  readonly isMet: boolean;
  readonly published?: Published | undefined;
  /** Of the teacher on the same examples. */
  readonly teacherAccuracy: number;
}

/**
 * Searches, and stores what meets the contract.
 * @throws ConfigError for a model that is no classifier, and for a folder in which another process searches;
 *   RuntimeFailure, code interrupted, when the signal stops it.
 */
export async function compress(request: CompressRequest, hooks: StudentHooks): Promise<CompressResult> {
  const { lessons, examples, output } = request;
  if (examples.task.bestMetric !== "accuracy")
    throw new ConfigError(
      `compress: searches by the accuracy of classifiers, ${examples.task.name} is measured by ${examples.task.bestMetric}; ` +
        "use train --teacher and quantize",
      { code: "unsupported" },
    );
  const folder = await TrialFolder.open(output, await keyOf(lessons, examples));
  let yardstick: Yardstick | undefined;
  try {
    const teacher = await copyTeacher(folder, lessons);
    const { threads } = lessons.options ?? {};
    hooks.log("teacher: measuring");
    yardstick = await yardstickOf(
      join(output, teacher.model),
      examples,
      threads === undefined ? {} : { threads },
    );
    return await search({ request, hooks, folder, teacher, yardstick });
  } finally {
    await yardstick?.session.release();
    await folder.close();
  }
}

interface SearchState {
  readonly request: CompressRequest;
  readonly hooks: StudentHooks;
  readonly folder: TrialFolder;
  readonly teacher: Subject;
  readonly yardstick: Yardstick;
}

async function search({ request, hooks, folder, teacher, yardstick }: SearchState): Promise<CompressResult> {
  const { examples, calibration, kinds, contract, lessons, students } = request;
  const { maxDrop } = contract;
  const { threads } = lessons.options ?? {};
  const setup = { folder, examples, calibration, yardstick, kinds, maxDrop, threads, ...hooks };
  const trials = new Trials(setup);
  const tried: Trial[] = [...(await trials.earlyExits(teacher)), ...(await trials.quantized(teacher, 0))];
  const isDone = hasTarget(contract) && measuredOf(tried).some(({ figures }) => meets(figures, contract));
  if (isDone && students.length > 0) hooks.log("the contract is met without a student");
  const taught = isDone ? [] : await new StudentSearch(folder, lessons, hooks).run(students);
  for (const subject of taught) {
    const float = await trials.float(subject);
    tried.push(float);
    const [least = 0] = float.figures?.pointsLostInterval ?? [];
    if (least > maxDrop) hooks.log(`${subject.name}: loses too much for its variants to be tried`);
    else tried.push(...(await trials.quantized(subject, float.figures?.pointsLost ?? 0)));
  }
  return conclude(request, tried, yardstick);
}

async function conclude(
  { contract, name, output, store = new ModelStore(), lineage = {}, lessons }: CompressRequest,
  trials: readonly Trial[],
  { scores }: Yardstick,
): Promise<CompressResult> {
  const candidates = measuredOf(trials);
  const chosen = chosenOf(candidates, contract);
  const isMet = chosen !== undefined && meets(chosen.figures, contract);
  const origin = { parent: lessons.teacher.ref, ...lineage };
  return {
    trials,
    front: paretoFront(candidates, ({ figures }) => [
      figures.pointsLost,
      figures.latencyMs / figures.teacherLatencyMs,
      figures.sizeBytes,
    ]),
    chosen,
    isMet,
    ...(isMet && { published: await publishTrial(output, chosen, name, store, origin) }),
    teacherAccuracy: scores.reduce((sum, score) => sum + score, 0) / scores.length,
  };
}

const measuredOf = (trials: readonly Trial[]): Measured[] =>
  trials.filter((trial): trial is Measured => trial.figures !== undefined && trial.refused === undefined);

/** The teacher in the search's own store, so that its variants do not touch the original. */
async function copyTeacher(folder: TrialFolder, { teacher }: Lessons): Promise<Subject> {
  const { task } = teacher.architecture;
  const store = new ModelStore(join(folder.path, "store"));
  const stored = await store.add("teacher", teacher.folder, { task, ...labelsIn(teacher.config, task) });
  return { name: "teacher", model: relative(folder.path, stored.folder) };
}

/** What decides every trial of a search beside its own settings. */
async function keyOf(lessons: Lessons, { dataset }: Examples): Promise<string> {
  const { task, files, options, fields, copies, teacher } = lessons;
  const extra = "transfer" in lessons ? lessons.transfer : undefined;
  const augment = "augment" in lessons ? lessons.augment : undefined;
  const paths = await dataFilesOf(lessons);
  if (extra && (await stat(extra.path)).isFile()) paths.push(extra.path);
  const hashes = await Promise.all(paths.map(async (path) => (await hashFile(path)).sha256));
  const read = { ...files, trainPath: "", validationPath: "" };
  const { threads: _, ...training } = options ?? {};
  const settings = { task, read, training, fields, copies, augment, transfer: extra?.count };
  return hashOf([await teacherHash(teacher), hashes, settings, dataset.lengths.length]);
}
