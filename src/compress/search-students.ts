/** The students of a search: trained in rungs, after each of which the worse half is cut (Jamieson & Talwalkar 2016). */

import { join, relative } from "node:path";
import { TesseraeError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import { ModelStore } from "../store/store.ts";
import type { TrainEvent } from "../train/trainer.ts";
import { distil, type PictureRequest, type TextRequest } from "./distil.ts";
import { hashOf, type Trial, type TrialFolder } from "./trial-folder.ts";

/** What all students of a search have in common. */
export type Lessons =
  | Omit<TextRequest, "student" | "name" | "output" | "resume" | "store">
  | Omit<PictureRequest, "student" | "name" | "output" | "resume" | "store">;

export interface Student {
  /** Such as `layers 2, width 128`. */
  readonly name: string;
  readonly config: ConfigJson;
}

export interface StudentHooks {
  readonly log: (line: string) => void;
  readonly onEvent?: ((event: TrainEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Epochs after which students are compared: a quarter, a half and all of them, as many as there is something to cut. */
export function rungsOf(epochs: number, students: number): number[] {
  const shares = students > 2 ? [0.25, 0.5, 1] : students > 1 ? [0.25, 1] : [1];
  return [...new Set(shares.map((share) => Math.ceil(epochs * share)))];
}

/** Default of `TrainOptions.epochs`. */
const defaultEpochs = 3;

export class StudentSearch {
  constructor(
    private readonly folder: TrialFolder,
    private readonly lessons: Lessons,
    private readonly hooks: StudentHooks,
  ) {}

  /** The students that are trained to the end, the better first. */
  async run(students: readonly Student[]): Promise<Trial[]> {
    const epochs = this.lessons.options?.epochs ?? defaultEpochs;
    let left = [...students];
    let finished: Trial[] = [];
    for (const rung of rungsOf(epochs, students.length)) {
      const trials: { student: Student; trial: Trial }[] = [];
      for (const student of left) trials.push({ student, trial: await this.train(student, rung, epochs) });
      trials.sort((a, b) => b.trial.checkpoint! - a.trial.checkpoint!);
      finished = trials.map(({ trial }) => trial);
      const kept = trials.slice(0, Math.ceil(trials.length / 2));
      if (rung < epochs) this.noteCut(trials.slice(kept.length), rung);
      left = kept.map(({ student }) => student);
    }
    return finished;
  }

  private noteCut(trials: readonly { student: Student; trial: Trial }[], rung: number): void {
    for (const { student, trial } of trials)
      this.hooks.log(`${student.name}: cut after ${rung} epochs at ${trial.checkpoint!.toFixed(4)}`);
  }

  /** Trains up to an epoch, from the checkpoint of the rung before. */
  private train(student: Student, rung: number, epochs: number): Promise<Trial> {
    return this.folder.once(["student", student.config, rung], async () => {
      this.hooks.log(`${student.name}: training to epoch ${rung} of ${epochs}`);
      const id = `student-${hashOf(student.config)}`;
      const stop = new AbortController();
      let checkpoint = 0;
      const onEvent = (event: TrainEvent): void => {
        this.hooks.onEvent?.(event);
        if (event.kind !== "evaluation") return;
        checkpoint = Math.max(checkpoint, event.metrics.accuracy ?? checkpoint);
        if (rung < epochs && event.epoch + 1 >= rung) stop.abort();
      };
      const { signal: given } = this.hooks;
      const signal = AbortSignal.any([stop.signal, ...(given ? [given] : [])]);
      const request = { student: student.config, name: id, output: join(this.folder.path, "runs", id) };
      const store = new ModelStore(join(this.folder.path, "store"));
      try {
        const made = await distil({ ...this.lessons, ...request, resume: true, store }, { onEvent, signal });
        const { accuracy = checkpoint } = made.manifest.metrics;
        return {
          name: student.name,
          model: relative(this.folder.path, made.folder),
          checkpoint: accuracy,
        };
      } catch (error) {
        if (!isInterrupt(error) || given?.aborted) throw error;
        return { name: student.name, model: "", checkpoint };
      }
    });
  }
}

const isInterrupt = (error: unknown): boolean =>
  error instanceof TesseraeError && error.code === "interrupted";
