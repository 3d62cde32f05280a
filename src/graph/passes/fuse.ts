/** Replaces groups of plain calls by fused ops, as the `match` of each op describes. */

import { ConfigError } from "../../errors.ts";
import type { Graph } from "../graph.ts";
import { applyOp, type Call, type Node, type OpRecord, registeredOps } from "../node.ts";
import { rewrite, untilStable } from "./rewrite.ts";
import { usersOf } from "./users.ts";

/**
 * The graph with every match of the ops of these names replaced, until there are no more; earlier names win.
 * Calls whose values something outside of the match uses stay as they are, so nothing is computed twice.
 * @throws ConfigError when a name is of no op that can be matched.
 */
export function fuse(graph: Graph, names: readonly string[]): Graph {
  const ops = names.map(matchingOp);
  return untilStable(graph, (current) => fuseOnce(current, ops));
}

type MatchingOp = OpRecord & Required<Pick<OpRecord, "match">>;

function matchingOp(name: string): MatchingOp {
  const op = registeredOps().get(name);
  if (!op?.match) throw new ConfigError(`fuse: "${name}" is not a fused op; name ops that have a match`);
  return op as MatchingOp;
}

function fuseOnce(graph: Graph, ops: readonly MatchingOp[]): Graph {
  const users = usersOf(graph);
  return rewrite(graph, (call, _, rewritten) => {
    for (const op of ops) {
      const found = op.match(call.outputs[0]!);
      if (!found || !isPrivate(call, found.inputs, users)) continue;
      const fused = applyOp(op, found.inputs.map(rewritten), found.attrs);
      return call.outputs.with(0, fused.outputs[0]!);
    }
    return undefined;
  });
}

/** True when only the first output of `root` is used outside of the calls between it and `inputs`. */
function isPrivate(root: Call, inputs: readonly Node[], users: Map<Node, Set<Call | undefined>>): boolean {
  const inside = callsBetween(root, inputs);
  return [...inside].every((call) =>
    call.outputs.every((node) => {
      if (node === root.outputs[0]) return true;
      return [...(users.get(node) ?? [])].every((user) => user !== undefined && inside.has(user));
    }),
  );
}

/** `root` and the calls it needs that are not needed by `inputs` alone; leaves and what has no inputs are left out. */
function callsBetween(root: Call, inputs: readonly Node[]): Set<Call> {
  const found = new Set([root]);
  for (const call of found) {
    for (const node of call.inputs) {
      if (!inputs.includes(node) && node.call.inputs.length > 0) found.add(node.call);
    }
  }
  return found;
}
