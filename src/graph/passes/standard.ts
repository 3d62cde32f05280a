import type { Graph } from "../graph.ts";
import { fusions } from "../ops/fusions.ts";
import { mergeCommon } from "./common.ts";
import { optimise } from "./optimise.ts";
import { rebuild, rewrite } from "./rewrite.ts";
import { simplify } from "./simplify.ts";

/** An equal graph that is written in ONNX's own operators alone, so that every runtime and device can run it. */
export function standardise(graph: Graph): Graph {
  const plain = rewrite(optimise(graph, { fuse: fusions.standard }), (old, inputs) => {
    const call = rebuild(old, inputs);
    const standard = call.op.standard?.(call);
    return standard ? call.outputs.with(0, standard) : call.outputs;
  });
  return mergeCommon(simplify(plain));
}
