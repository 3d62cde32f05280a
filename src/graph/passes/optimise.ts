import type { Graph } from "../graph.ts";
import { mergeCommon } from "./common.ts";
import { fuse } from "./fuse.ts";
import { narrow } from "./narrow.ts";
import { type QuantizationPlan, type QuantizeOptions, quantize } from "./quantize.ts";
import { simplify } from "./simplify.ts";

export interface OptimiseOptions extends QuantizeOptions {
  /** Names of the fused ops to use, as in `fusions`; default none. */
  readonly fuse?: readonly string[];
  /** Weights that are integers; default none. */
  readonly quantize?: QuantizationPlan | undefined;
}

/** A graph with fewer calls: an equal one, unless weights become integers. */
export function optimise(graph: Graph, options: OptimiseOptions = {}): Graph {
  const equal = mergeCommon(simplify(narrow(simplify(graph))));
  const plain = options.quantize ? quantize(equal, options.quantize, options) : equal;
  return options.fuse ? mergeCommon(simplify(fuse(plain, options.fuse))) : plain;
}
