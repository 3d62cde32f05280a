/** The accuracy contract: how much of a metric a smaller model may lose. */

/**
 * Points lost from `before` to `after`: hundredths of a metric between 0 and 1, percent of a loss, which is better when
 * lower. Negative when it got better.
 */
export function pointsLost(metric: string, before: number, after: number): number {
  return metric === "loss" ? (100 * (after - before)) / before : 100 * (before - after);
}
