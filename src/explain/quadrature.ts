/** Gauss–Legendre quadrature: the points and weights that integrate polynomials of the highest degree exactly. */

export interface Quadrature {
  /** In (0, 1), rising. */
  readonly points: readonly number[];
  /** They add up to 1. */
  readonly weights: readonly number[];
}

/** The rule of `count` points on [0, 1]: the roots of the Legendre polynomial, by Newton's method from Tricomi's guess. */
export function gaussLegendre(count: number): Quadrature {
  const points: number[] = [];
  const weights: number[] = [];
  for (let i = count; i >= 1; i--) {
    let x = Math.cos((Math.PI * (i - 0.25)) / (count + 0.5));
    let slope = 0;
    for (let step = 0; step < 8; step++) {
      const { value, derivative } = legendre(count, x);
      slope = derivative;
      x -= value / derivative;
    }
    points.push((1 + x) / 2);
    weights.push(1 / ((1 - x * x) * slope * slope));
  }
  return { points, weights };
}

/** P_n(x) and its derivative: n P_n = (2n − 1) x P_{n−1} − (n − 1) P_{n−2}; (x² − 1) P'_n = n (x P_n − P_{n−1}). */
function legendre(n: number, x: number): { value: number; derivative: number } {
  let [before, value] = [1, x];
  for (let k = 2; k <= n; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k];
  return { value, derivative: (n * (x * value - before)) / (x * x - 1) };
}
