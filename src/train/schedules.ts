/**
 * Learning-rate schedules: the factor of the base rate at every optimizer step, counted from 0.
 * Named and parametrised as in Hugging Face's `optimization.py`; `noam` is equation 3 of Vaswani et al. 2017.
 */

import { ConfigError } from "../errors.ts";

/** Factor of the base learning rate at a step. */
export type Schedule = (step: number) => number;

export interface ScheduleOptions {
  /** Steps over which the rate rises from 0; default 0. */
  readonly warmupSteps?: number;
  /** All steps of the run; needed by every schedule that ends. */
  readonly totalSteps?: number;
  /** Periods of the cosine: default 0.5 for `cosine`, 1 for `cosine_with_restarts`. */
  readonly cycles?: number;
  /** Factor at the end of `polynomial`; default 1e-7. */
  readonly endFactor?: number;
  /** Exponent of `polynomial`; default 1. */
  readonly power?: number;
  /** Steps after which `inverse_sqrt` has fallen to 1/√2; default warmupSteps, or 10,000 without warm-up. */
  readonly timescale?: number;
  /** Width of the model for `noam`. */
  readonly modelSize?: number;
}

/** After the warm-up, `decay` of the share of the remaining steps that is done. */
function warmedUp(options: ScheduleOptions, decay: (progress: number) => number): Schedule {
  const warmup = options.warmupSteps ?? 0;
  const total = options.totalSteps;
  if (total === undefined)
    throw new ConfigError("schedule: totalSteps must be given for a schedule that ends");
  return (step) =>
    step < warmup ? step / Math.max(1, warmup) : decay((step - warmup) / Math.max(1, total - warmup));
}

export const schedules = {
  constant: () => () => 1,

  constant_with_warmup:
    ({ warmupSteps = 0 }) =>
    (step) =>
      step < warmupSteps ? step / Math.max(1, warmupSteps) : 1,

  linear: (options) => warmedUp(options, (progress) => Math.max(0, 1 - progress)),

  cosine: (options) =>
    warmedUp(options, (progress) =>
      Math.max(0, 0.5 * (1 + Math.cos(Math.PI * (options.cycles ?? 0.5) * 2 * progress))),
    ),

  /** Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983 */
  cosine_with_restarts: (options) =>
    warmedUp(options, (progress) => {
      if (progress >= 1) return 0;
      return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * (((options.cycles ?? 1) * progress) % 1))));
    }),

  polynomial: (options) => {
    const { endFactor = 1e-7, power = 1 } = options;
    return warmedUp(options, (progress) =>
      progress > 1 ? endFactor : (1 - endFactor) * (1 - progress) ** power + endFactor,
    );
  },

  inverse_sqrt: ({ warmupSteps = 0, timescale = warmupSteps || 10_000 }) => {
    const shift = timescale - warmupSteps;
    return (step) =>
      step < warmupSteps ? step / Math.max(1, warmupSteps) : 1 / Math.sqrt((step + shift) / timescale);
  },

  noam: ({ warmupSteps = 4000, modelSize = 512 }) => {
    return (step) => modelSize ** -0.5 * Math.min((step + 1) ** -0.5, (step + 1) * warmupSteps ** -1.5);
  },
} satisfies Record<string, (options: ScheduleOptions) => Schedule>;

export type ScheduleName = keyof typeof schedules;

/** A schedule by name. @throws ConfigError for an unknown name or a missing option. */
export function scheduleOf(name: string, options: ScheduleOptions): Schedule {
  const make = (schedules as Record<string, (options: ScheduleOptions) => Schedule>)[name];
  if (!make)
    throw new ConfigError(`schedule: "${name}" is unknown; known are ${Object.keys(schedules).join(", ")}`);
  return make(options);
}
