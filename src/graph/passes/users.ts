import type { Graph } from "../graph.ts";
import { type Call, type Node, topologicalOrder } from "../node.ts";

/** The calls that use each node; an output of the graph is used by `undefined` as well. */
export function usersOf(graph: Graph): Map<Node, Set<Call | undefined>> {
  const users = new Map<Node, Set<Call | undefined>>();
  const use = (node: Node, user: Call | undefined): void => {
    users.set(node, (users.get(node) ?? new Set()).add(user));
  };
  for (const node of Object.values(graph.outputs)) use(node, undefined);
  for (const call of topologicalOrder(Object.values(graph.outputs))) {
    for (const node of call.inputs) use(node, call);
  }
  return users;
}
