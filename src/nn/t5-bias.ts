import type { Node } from "../graph/node.ts";
import { transpose } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import type { Init } from "./module.ts";
import { type BucketOptions, relativeBuckets } from "./t5-positions.ts";

/**
 * A trained number for every head and bucket of distances, added to attention's scores.
 * Raffel et al. 2020, https://arxiv.org/abs/1910.10683, section 2.1
 */
export class RelativeBias {
  readonly weight: Node;

  constructor(
    init: Init,
    numHeads: number,
    private readonly options: BucketOptions,
  ) {
    this.weight = init.normal([options.numBuckets ?? 32, numHeads]);
  }

  /** Key position minus query position, int64 [B, T, S] → [B, H, T, S]. */
  forward(distances: Node): Node {
    return transpose(gather(this.weight, relativeBuckets(distances, this.options)), [0, 3, 1, 2]);
  }
}
