/**
 * Relative positions with a trained vector for every distance.
 * Shaw et al. 2018, https://arxiv.org/abs/1803.02155 (keys and values); Huang et al. 2020,
 * https://arxiv.org/abs/2009.13658 (keys and queries, as in Hugging Face's BERT).
 * B batch, H heads, T queries, S keys, K size of a head, R distances.
 */

import type { Node } from "../graph/node.ts";
import { add, neg } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import { clip } from "../graph/ops/math.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { slice, swapAxes } from "../graph/ops/shape.ts";
import { addDims, type Dim, subDims } from "../tensor/dims.ts";
import type { AttentionPositions } from "./attention.ts";
import type { Init } from "./module.ts";
import { byDistance, byKey, distances } from "./positions-relative.ts";

/** Row of a table [2k + 1, K] for a distance (key minus query): those farther than k share the outermost rows. */
export const clippedRow = (distance: Node, farthest: number): Node =>
  add(clip(distance, -farthest, farthest), farthest);

/** The same in a table that counts from the farthest key ahead to the farthest behind, as Hugging Face's BERT does. */
export const reversedRow = (distance: Node, farthest: number): Node => clippedRow(neg(distance), farthest);

/** Vectors for distances up to `farthest`, in Shaw's order. */
class DistanceTable {
  readonly weight: Node;

  constructor(
    init: Init,
    private readonly farthest: number,
    headSize: number,
    private readonly rowOf = clippedRow,
  ) {
    this.weight = init.normal([2 * farthest + 1, headSize]);
  }

  /** The vectors of distances int64 [N] → [N, K]. */
  at(distance: Node): Node {
    return gather(this.weight, this.rowOf(distance, this.farthest));
  }

  /** q · a of every query's distance to every key. query [B, H, T, K] → [B, H, T, S]. */
  queryScores(query: Node, keys: Dim, scale: number, keyOffset: Dim): Node {
    const rows = this.at(distances(query.shape[2]!, keys, keyOffset));
    return byKey(matmul(query, rows, { transB: true, alpha: scale }));
  }

  /** k · a of the same distances. key [B, H, S, K] → [B, H, T, S]. */
  keyScores(key: Node, queries: Dim, scale: number, keyOffset: Dim): Node {
    const rows = this.at(neg(distances(key.shape[2]!, queries, subDims(0, keyOffset))));
    return swapAxes(byKey(matmul(key, rows, { transB: true, alpha: scale })), -1, -2);
  }
}

/** Where the first query of a pass stands; the keys before it are of a cache. */
export interface PassStart {
  /** Default 0. */
  readonly offset?: Dim | undefined;
}

/** Distances act on the scores through the query: q · (k + a). */
export class RelativeKeys {
  readonly keys: DistanceTable;

  /** `farthest`: distances beyond it count as it. */
  constructor(init: Init, headSize: number, farthest: number, rowOf = clippedRow) {
    this.keys = new DistanceTable(init, farthest, headSize, rowOf);
  }

  at({ offset = 0 }: PassStart = {}): AttentionPositions {
    return {
      scores: (query, key, scale, keyStart) =>
        this.keys.queryScores(query, key.shape[2]!, scale, subDims(keyStart, offset)),
    };
  }
}

/** Distances act on the scores through query and key, with one table: q · k + q · a + k · a. */
export class RelativeKeysAndQueries {
  readonly keys: DistanceTable;

  constructor(init: Init, headSize: number, farthest: number, rowOf = clippedRow) {
    this.keys = new DistanceTable(init, farthest, headSize, rowOf);
  }

  at({ offset = 0 }: PassStart = {}): AttentionPositions {
    return {
      scores: (query, key, scale, keyStart) => {
        const keyOffset = subDims(keyStart, offset);
        const fromQuery = this.keys.queryScores(query, key.shape[2]!, scale, keyOffset);
        return add(fromQuery, this.keys.keyScores(key, query.shape[2]!, scale, keyOffset));
      },
    };
  }
}

/** Distances act on the scores and on what is read, with a table each: Σ p (v + b), the paper's own form. */
export class RelativeKeysAndValues {
  readonly keys: DistanceTable;
  readonly values: DistanceTable;

  constructor(init: Init, headSize: number, farthest: number) {
    this.keys = new DistanceTable(init, farthest, headSize);
    this.values = new DistanceTable(init, farthest, headSize);
  }

  at({ offset = 0 }: PassStart = {}): AttentionPositions {
    return {
      scores: (query, key, scale, keyStart) =>
        this.keys.queryScores(query, key.shape[2]!, scale, subDims(keyStart, offset)),
      values: (probabilities) => {
        const [queries, keys] = probabilities.shape.slice(-2) as [Dim, Dim];
        const rows = this.values.at(distances(queries, keys, subDims(0, offset)));
        return matmul(byDistance(probabilities), rows);
      },
    };
  }

  /** As `at`, for rows whose keys stand anywhere: key position minus query position, int64 [B, T, S]. */
  ofPairs(distances: Node): AttentionPositions {
    const perQuery = (x: Node): Node => swapAxes(x, 1, 2); // [B, H, T, ·] ⇄ [B, T, H, ·]
    return {
      scores: (query, key, scale, keyStart) => {
        const rows = this.keys.at(slice(distances, 2, keyStart, addDims(keyStart, key.shape[2]!)));
        return perQuery(matmul(perQuery(query), rows, { transB: true, alpha: scale }));
      },
      values: (probabilities) => perQuery(matmul(perQuery(probabilities), this.values.at(distances))),
    };
  }
}
