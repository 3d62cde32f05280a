/** Trials of one model's variants, each made, checked by the gate, measured beside the teacher, and recorded. */

import { join } from "node:path";
import { ConfigError, RuntimeFailure } from "../errors.ts";
import { type ConfigJson, readConfig } from "../models/config.ts";
import { architectureOf } from "../models/registry.ts";
import type { StoredVariant } from "../store/variants.ts";
import { addEarlyExit } from "./early-exit-variant.ts";
import { type Examples, measure, type Yardstick } from "./figures.ts";
import { checkGolden } from "./gate.ts";
import type { QuantizationKind } from "./quantization-plan.ts";
import { quantizeModel } from "./quantize-model.ts";
import { openServing } from "./serving-session.ts";
import type { Trial, TrialFolder } from "./trial-folder.ts";

export interface TrialSetup {
  readonly folder: TrialFolder;
  readonly examples: Examples;
  /** Examples from which static ranges are taken. */
  readonly calibration: Examples["dataset"];
  readonly yardstick: Yardstick;
  readonly kinds: readonly QuantizationKind[];
  readonly maxDrop: number;
  readonly threads?: number | undefined;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A model that is tried. */
export interface Subject {
  readonly name: string;
  /** Relative to the search's folder. */
  readonly model: string;
}

/** Most classifiers in a row that are asked to agree. */
const mostPatience = 6;

export class Trials {
  constructor(private readonly setup: TrialSetup) {}

  /** The model as it is, in floats. */
  float(subject: Subject): Promise<Trial> {
    return this.trial(subject, ["float"], () => Promise.resolve(undefined));
  }

  /** The model with its weights in each kind of numbers. `lost`: points that the model itself has lost. */
  async quantized(subject: Subject, lost: number): Promise<Trial[]> {
    const { folder, examples, calibration, maxDrop, kinds, threads, log } = this.setup;
    const trials: Trial[] = [];
    for (const kind of kinds) {
      const make = async (): Promise<StoredVariant> => {
        const request = { ...examples, calibration, threads, log, kind };
        const left = lost <= maxDrop ? { maxDrop: maxDrop - lost } : {};
        const at = join(folder.path, subject.model);
        return (await quantizeModel({ ...request, ...left, folder: at })).variant;
      };
      trials.push(
        await this.trial({ ...subject, name: `${subject.name}, ${kind}` }, [kind, maxDrop, lost], make),
      );
    }
    return trials;
  }

  /** The model stopping early with each patience, where it has the classifiers for it. */
  async earlyExits(subject: Subject): Promise<Trial[]> {
    const { folder, examples } = this.setup;
    const at = join(folder.path, subject.model);
    const trials: Trial[] = [];
    for (let patience = 1; patience <= mostPatienceOf(await readConfig(at)); patience++) {
      const make = (): Promise<StoredVariant> => addEarlyExit(at, patience, examples.dataset);
      const named = { ...subject, name: `${subject.name}, exit after ${patience} agree` };
      trials.push(await this.trial(named, ["early-exit", patience], make));
    }
    return trials;
  }

  private trial(
    subject: Subject,
    settings: readonly unknown[],
    make: () => Promise<StoredVariant | undefined>,
  ): Promise<Trial> {
    const { folder, signal, log } = this.setup;
    if (signal?.aborted) throw stopped();
    return folder.once([subject.model, ...settings], async () => {
      log(`${subject.name}: measuring`);
      try {
        return await this.measured(subject, await make());
      } catch (error) {
        if (!(error instanceof ConfigError || error instanceof RuntimeFailure)) throw error;
        return { ...subject, refused: error.message };
      }
    });
  }

  /** @throws RuntimeFailure when a variant does not pass the gate. */
  private async measured(subject: Subject, variant: StoredVariant | undefined): Promise<Trial> {
    const { folder, examples, yardstick, threads } = this.setup;
    const at = variant?.folder ?? join(folder.path, subject.model);
    const session = await openServing(at, threads === undefined ? {} : { threads });
    try {
      if (variant) await checkGolden(at, session);
      const figures = await measure(at, examples, yardstick, session);
      const isFaster = figures.latencyMs < figures.teacherLatencyMs;
      return {
        ...subject,
        ...(variant && { variant: variant.name }),
        figures,
        ...(!isFaster && { refused: "is not faster than the teacher on this machine" }),
      };
    } finally {
      await session.release();
    }
  }
}

/** 0 for a model without classifiers on its layers. */
function mostPatienceOf(config: ConfigJson): number {
  if (architectureOf(config).variant !== "early-exit") return 0;
  return Math.min(mostPatience, Number(config.num_hidden_layers ?? config.n_layers) - 1);
}

const stopped = (): RuntimeFailure =>
  new RuntimeFailure("compress: stopped; the same command goes on after the last finished trial", {
    code: "interrupted",
  });
