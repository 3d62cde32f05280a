/** Training: the compiled step, optimizer, schedules, the trainer and metrics. */

export {
  CachedContrastive,
  type CachedContrastiveOptions,
  type ContrastiveGradients,
  type Pairs,
} from "./cached-contrastive.ts";
export { accuracy, binaryF1, countClasses, macroF1, matthews, microF1 } from "./metrics/classification.ts";
export { meanSquaredError, pearson, spearman } from "./metrics/correlation.ts";
export { type EntityScores, entityScores } from "./metrics/entities.ts";
export { perplexity } from "./metrics/perplexity.ts";
export { type AnswerScores, answerScores } from "./metrics/squad.ts";
export { AdamW, type AdamWOptions, clipFactor } from "./optimizer.ts";
export { type Schedule, type ScheduleName, type ScheduleOptions, scheduleOf } from "./schedules.ts";
export { type Batch, type StepOptions, type StepResult, TrainStep } from "./step.ts";
export type { Dataset, Evaluator, TrainTask } from "./task.ts";
export {
  evaluate,
  type FitResult,
  fit,
  type TrainEvent,
  type TrainHooks,
  type TrainOptions,
  type TrainRun,
} from "./trainer.ts";
