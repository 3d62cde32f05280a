/** How often values of some size occur, and the ranges that may be drawn from it for static quantisation. */

import type { InputRange } from "../graph/passes/quantize.ts";

/**
 * How a range is chosen: all that was seen; all but a ten-thousandth; or the one under which the quantised values tell
 * most about the floats (the smallest Kullback–Leibler divergence; Migacz 2017, "8-bit inference with TensorRT").
 */
export type RangeMethod = "min-max" | "percentile" | "entropy";

/** A power of two, since bins are joined in pairs when a larger value comes. */
const binCount = 4096;
/** Share of the values that a "percentile" range leaves out, half of it on either side. */
const leftOut = 1e-4;
/** Codes of a quantised tensor. */
const codes = 256;

/** Counts of values in bins over [−limit, limit], where limit doubles when a larger value comes. */
export class Histogram {
  private readonly bins = new Float64Array(binCount);
  private limit = 0;
  private lowest = 0; // 0 is always in the range, so that padding and masks are exact
  private highest = 0;
  private count = 0;

  /** Counts finite values; others would make every range useless. */
  add(values: ArrayLike<number>): void {
    for (let at = 0; at < values.length; at++) {
      const value = values[at]!;
      if (!Number.isFinite(value)) continue;
      if (value < this.lowest) this.lowest = value;
      if (value > this.highest) this.highest = value;
    }
    this.widen(Math.max(-this.lowest, this.highest));
    const perUnit = this.limit > 0 ? binCount / (2 * this.limit) : 0;
    for (let at = 0; at < values.length; at++) {
      const bin = Math.floor((values[at]! + this.limit) * perUnit);
      if (bin >= 0) this.bins[Math.min(bin, binCount - 1)]!++;
    }
    this.count += values.length;
  }

  /** Scale and zero point of uint8 over the chosen range. */
  range(method: RangeMethod): InputRange {
    const [low, high] = this.bounds(method);
    const scale = (high - low) / (codes - 1) || 1;
    return { scale, zeroPoint: Math.min(codes - 1, Math.max(0, Math.round(-low / scale))) };
  }

  private bounds(method: RangeMethod): [number, number] {
    if (method === "min-max") return [this.lowest, this.highest];
    if (method === "percentile") return this.percentileBounds();
    const threshold = this.entropyThreshold();
    return [Math.max(this.lowest, -threshold), Math.min(this.highest, threshold)];
  }

  private widen(needed: number): void {
    // Powers of two, so that the bins do not depend on the order of what is seen.
    if (this.limit === 0 && needed > 0) this.limit = 2 ** Math.ceil(Math.log2(needed));
    while (this.limit < needed) {
      this.limit *= 2;
      const joined = new Float64Array(binCount);
      for (let bin = 0; bin < binCount; bin++) joined[binCount / 4 + (bin >> 1)]! += this.bins[bin]!;
      this.bins.set(joined);
    }
  }

  private percentileBounds(): [number, number] {
    const most = (this.count * leftOut) / 2;
    const edge = (bin: number): number => (bin / binCount) * 2 * this.limit - this.limit;
    let [first, last] = [0, binCount];
    for (let seen = this.bins[first]!; seen <= most && first < binCount / 2; ) seen += this.bins[++first]!;
    for (let seen = this.bins[last - 1]!; seen <= most && last > binCount / 2; )
      seen += this.bins[--last - 1]!;
    return [Math.min(0, Math.max(this.lowest, edge(first))), Math.max(0, Math.min(this.highest, edge(last)))];
  }

  /** The magnitude at which cutting loses the least information. */
  private entropyThreshold(): number {
    const half = binCount / 2;
    const magnitudes = Float64Array.from(
      { length: half },
      (_, at) => this.bins[half + at]! + this.bins[half - 1 - at]!,
    );
    let [best, bestBins] = [Number.POSITIVE_INFINITY, half];
    for (let bins = codes / 2; bins <= half; bins += codes / 8) {
      const divergence = divergenceWhenCut(magnitudes, bins);
      if (divergence < best) [best, bestBins] = [divergence, bins];
    }
    return (bestBins / half) * this.limit;
  }
}

/** KL(P ‖ Q) of magnitudes cut at `bins`: P has what is beyond in its last bin, Q is P in half as many levels as codes. */
function divergenceWhenCut(magnitudes: Float64Array, bins: number): number {
  const reference = magnitudes.slice(0, bins);
  for (let at = bins; at < magnitudes.length; at++) reference[bins - 1]! += magnitudes[at]!;
  const levels = codes / 2;
  const total = reference.reduce((sum, value) => sum + value, 0);
  let [divergence, quantizedTotal] = [0, 0];
  const quantized = new Float64Array(bins);
  for (let level = 0; level < levels; level++) {
    const [from, to] = [Math.floor((level * bins) / levels), Math.floor(((level + 1) * bins) / levels)];
    let [sum, filled] = [0, 0];
    for (let at = from; at < to; at++) {
      sum += magnitudes[at]!;
      if (reference[at]! > 0) filled++;
    }
    for (let at = from; at < to; at++) if (reference[at]! > 0) quantized[at] = sum / filled;
    quantizedTotal += sum;
  }
  for (let at = 0; at < bins; at++) {
    const p = reference[at]! / total;
    const q = Math.max(quantized[at]! / quantizedTotal, 1e-12);
    if (p > 0) divergence += p * Math.log(p / q);
  }
  return divergence;
}
