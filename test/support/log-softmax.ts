/** log(e^x / Σ e^x) of plain numbers. */
export function logSoftmaxOf(scores: readonly number[]): number[] {
  const total = Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0));
  return scores.map((score) => score - total);
}
