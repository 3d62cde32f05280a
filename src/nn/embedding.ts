import type { Node } from "../graph/node.ts";
import { gather } from "../graph/ops/indexing.ts";
import type { Init } from "./module.ts";

/** A table of vectors read by id. The row of `paddingId`, where given, is never trained through look-ups. */
export class Embedding {
  readonly weight: Node;

  constructor(
    init: Init,
    size: number,
    width: number,
    private readonly paddingId?: number,
  ) {
    this.weight = init.normal([size, width]);
  }

  /** ids [...] int64 → [..., D]. */
  forward(ids: Node): Node {
    return gather(this.weight, ids, 0, this.paddingId);
  }
}
