/** How the weights of a file's graphs lie in it: matrices that are only used transposed are stored that way. */

import type { Graph } from "../graph/graph.ts";
import { isParameter, type Node, parameter, parameterAttrs, topologicalOrder } from "../graph/node.ts";
import { isTranspose } from "../graph/ops/core.ts";
import { rewriteNodes } from "../graph/passes/rewrite.ts";

/** A weight of the file. */
export interface Layout {
  readonly node: Node;
  /** Whether its two axes are exchanged. */
  readonly isTransposed: boolean;
}

export interface LaidOut {
  readonly graphs: readonly Graph[];
  /** By the weight's name. */
  readonly layouts: ReadonlyMap<string, Layout>;
}

/** Linear layers keep [out, in] and multiply by [in, out]; here they are stored as they are multiplied. */
export function layOut(graphs: readonly Graph[]): LaidOut {
  const straight = new Set(graphs.flatMap(namesUsedStraight));
  const layouts = new Map<string, Layout>();
  const turn = (graph: Graph): Graph => {
    const turned = new Map<string, Node>();
    const outputs = rewriteNodes(Object.values(graph.outputs), ({ outputs: [output] }, [source]) => {
      const name = source && graph.parameters.get(source);
      if (!name || straight.has(name)) return undefined;
      const own = turned.get(name) ?? parameter(output!.shape, parameterAttrs(source).init, source.dtype);
      turned.set(name, own);
      return [own];
    });
    const parameters = new Map<Node, string>();
    for (const [old, name] of graph.parameters) {
      const node = turned.get(name) ?? old;
      parameters.set(node, name);
      layouts.set(name, { node, isTransposed: node !== old });
    }
    const names = Object.keys(graph.outputs);
    return {
      ...graph,
      parameters,
      outputs: Object.fromEntries(names.map((name, at) => [name, outputs[at]!])),
    };
  };
  return { graphs: graphs.map(turn), layouts };
}

/** Names of the parameters that something other than a transpose of two axes uses. */
function namesUsedStraight({ outputs, parameters }: Graph): string[] {
  return topologicalOrder(Object.values(outputs)).flatMap((call) =>
    call.inputs.flatMap((node) => {
      const isTurned = node.rank === 2 && isTranspose(call);
      return isParameter(node) && !isTurned ? [parameters.get(node)!] : [];
    }),
  );
}
