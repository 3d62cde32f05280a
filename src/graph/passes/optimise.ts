import type { Graph } from "../graph.ts";
import { mergeCommon } from "./common.ts";
import { fuse } from "./fuse.ts";
import { narrow } from "./narrow.ts";
import { simplify } from "./simplify.ts";

export interface OptimiseOptions {
  /** Names of the fused ops to use, as in `fusions`; default none. */
  readonly fuse?: readonly string[];
}

/** An equal graph with fewer calls. */
export function optimise(graph: Graph, options: OptimiseOptions = {}): Graph {
  const plain = mergeCommon(simplify(narrow(simplify(graph))));
  return options.fuse ? mergeCommon(simplify(fuse(plain, options.fuse))) : plain;
}
