/** A training run's events as a progress bar and lines. */

import type { TrainEvent } from "../train/trainer.ts";
import { showCount, showMetrics } from "./format.ts";
import type { Output } from "./output.ts";
import { Progress } from "./progress.ts";

/** Returns what `fit` tells its events, and what ends the bar. */
export function trainProgress(output: Output): { onEvent: (event: TrainEvent) => void; finish: () => void } {
  let progress: Progress | undefined;
  const onEvent = (event: TrainEvent): void => {
    if (event.kind === "start") {
      output.note(startLine(event));
      progress = new Progress(output, "train", event.totalSteps, "steps", event.resumedAt);
    } else if (event.kind === "step") {
      const skipped = event.isSkipped ? " (not finite, skipped)" : "";
      progress?.update(event.step, `epoch ${event.epoch + 1}  loss ${event.loss.toFixed(4)}${skipped}`);
    } else if (event.kind === "evaluation") {
      const mark = event.isBest ? "  best so far" : "";
      progress?.say(`epoch ${event.epoch + 1}, step ${event.step}: ${showMetrics(event.metrics)}${mark}`);
    }
  };
  return { onEvent, finish: () => progress?.finish() };
}

function startLine({ parameters, drawn, totalSteps, resumedAt }: TrainEvent & { kind: "start" }): string {
  const origin = drawn.length === 0 ? "" : `, ${drawn.length} tensors drawn at random`;
  const resumed = resumedAt > 0 ? `, resumed after step ${showCount(resumedAt)}` : "";
  return `${showCount(parameters)} parameters${origin}; ${showCount(totalSteps)} steps${resumed}`;
}
