/** What a search looks for, and which of its results is taken. */

import type { Figures } from "./figures.ts";

export interface Contract {
  /** Points of accuracy that may be lost. */
  readonly maxDrop: number;
  /** Of one example. Default: the faster the better. */
  readonly targetLatencyMs?: number | undefined;
  /** Of the weights. Default: any. */
  readonly targetSizeBytes?: number | undefined;
}

export const hasTarget = ({ targetLatencyMs, targetSizeBytes }: Contract): boolean =>
  targetLatencyMs !== undefined || targetSizeBytes !== undefined;

export const meets = (figures: Figures, contract: Contract): boolean =>
  figures.pointsLost <= contract.maxDrop &&
  figures.latencyMs <= (contract.targetLatencyMs ?? Number.POSITIVE_INFINITY) &&
  figures.sizeBytes <= (contract.targetSizeBytes ?? Number.POSITIVE_INFINITY);

/**
 * The fastest that meets the contract; where none does, the fastest that is accurate enough, and where none is, the most
 * accurate. Speed is against the teacher, so that the machine's load at the time counts little.
 */
export function chosenOf<T extends { readonly figures: Figures }>(
  candidates: readonly T[],
  contract: Contract,
): T | undefined {
  const speedup = ({ figures }: T): number => figures.teacherLatencyMs / figures.latencyMs;
  const fastest = (some: readonly T[]): T | undefined =>
    [...some].sort((a, b) => speedup(b) - speedup(a) || a.figures.sizeBytes - b.figures.sizeBytes)[0];
  return (
    fastest(candidates.filter(({ figures }) => meets(figures, contract))) ??
    fastest(candidates.filter(({ figures }) => figures.pointsLost <= contract.maxDrop)) ??
    [...candidates].sort((a, b) => a.figures.pointsLost - b.figures.pointsLost)[0]
  );
}
