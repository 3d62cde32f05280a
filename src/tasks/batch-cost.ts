/**
 * What a batch costs on this machine: time = fixed + tokens · perToken + tokens · length · perPair, the last for
 * attention. Fitted to the batches that ran by least squares of relative errors; older ones count less and less.
 */

/** What a batch was or would be. For pictures, each is one row of length 1. */
export interface BatchShape {
  readonly rows: number;
  /** Of the longest row. */
  readonly length: number;
}

/**
 * Proportions before anything was measured, of layers of BERT-base on 2 CPUs: a batch costs as much as 14 tokens beside
 * its own. Fitted costs are pulled towards them as if that had been measured `priorWeight` times.
 */
const prior = [14, 1, 0.0005] as const;
const priorWeight = 0.3;
/** What a batch counts after the next one; some hundred matter. */
const decay = 0.99;

export class BatchCost {
  /** Milliseconds for each unit of `prior`, of the first batch; undefined before. */
  private unitMs: number | undefined;
  /** Σ z zᵀ and Σ z of the relative features z, 3 × 3 and 3. */
  private readonly products = [0, 0, 0].map(() => [0, 0, 0]);
  private readonly sums = [0, 0, 0];
  /** Of fixed, tokens and pairs, as multiples of the prior. */
  private factors: readonly number[] = [1, 1, 1];

  /** Milliseconds of a batch; undefined before one was measured. */
  predict(shape: BatchShape): number | undefined {
    return this.unitMs === undefined ? undefined : this.unitMs * this.unitsOf(shape);
  }

  /** How many tokens cost as much as a batch does beside its tokens: padding beyond that had better be a batch. */
  get fixedTokens(): number {
    const [fixed, tokens] = this.factors as [number, number, number];
    return Math.min(maxFixedTokens, (prior[0] * fixed) / Math.max(prior[1] * tokens, Number.EPSILON));
  }

  learn(shape: BatchShape, ms: number): void {
    if (!(ms > 0)) return;
    this.unitMs ??= ms / this.unitsOf(shape);
    const relative = featuresOf(shape).map((feature) => (feature * this.unitMs!) / ms);
    for (let row = 0; row < 3; row++) {
      this.sums[row] = this.sums[row]! * decay + relative[row]!;
      for (let column = 0; column < 3; column++) {
        const before = this.products[row]![column]!;
        this.products[row]![column] = before * decay + relative[row]! * relative[column]!;
      }
    }
    this.factors = this.fit();
  }

  private unitsOf(shape: BatchShape): number {
    return featuresOf(shape).reduce((sum, feature, at) => sum + feature * this.factors[at]!, 0);
  }

  /** Minimises Σ (z · factors − 1)² + priorWeight · |factors − 1|²; a factor that would be negative is 0. */
  private fit(): number[] {
    let free = [0, 1, 2];
    for (;;) {
      const matrix = free.map((row) =>
        free.map((column) => this.products[row]![column]! + (row === column ? priorWeight : 0)),
      );
      const solved = solve(
        matrix,
        free.map((row) => this.sums[row]! + priorWeight),
      );
      const kept = free.filter((_, at) => solved[at]! > 0);
      if (kept.length === free.length) return [0, 1, 2].map((at) => solved[free.indexOf(at)] ?? 0);
      free = kept;
    }
  }
}

/** Beyond this, a batch is so cheap that padding costs more than it saves in memory. */
const maxFixedTokens = 64;

/** Each feature in units of a token's cost. */
function featuresOf({ rows, length }: BatchShape): number[] {
  const tokens = rows * length;
  return [prior[0], prior[1] * tokens, prior[2] * tokens * length];
}

/** x of A x = b by Gaussian elimination; A is positive definite, so no pivot is searched. Both are overwritten. */
function solve(matrix: number[][], right: number[]): number[] {
  const size = right.length;
  for (let pivot = 0; pivot < size; pivot++) {
    for (let row = pivot + 1; row < size; row++) {
      const factor = matrix[row]![pivot]! / matrix[pivot]![pivot]!;
      for (let column = pivot; column < size; column++)
        matrix[row]![column] = matrix[row]![column]! - factor * matrix[pivot]![column]!;
      right[row] = right[row]! - factor * right[pivot]!;
    }
  }
  for (let row = size - 1; row >= 0; row--) {
    for (let column = row + 1; column < size; column++)
      right[row] = right[row]! - matrix[row]![column]! * right[column]!;
    right[row] = right[row]! / matrix[row]![row]!;
  }
  return right;
}
