/**
 * Computes only what is used: a slice moves up through the calls before it, as far as all users want the same range. A
 * classifier that reads the first token thus runs the queries and the feed-forward block of its last layer for that
 * token alone.
 */

import type { Graph } from "../graph.ts";
import type { Call, Node } from "../node.ts";
import { isSlice, slice } from "../ops/shape.ts";
import { attrsKey } from "./common.ts";
import { rewrite, untilStable } from "./rewrite.ts";
import { usersOf } from "./users.ts";

/** Replaces slices of an op's output by the op on slices, until no more move. */
export const narrow = (graph: Graph): Graph => untilStable(graph, narrowOnce);

function narrowOnce(graph: Graph): Graph {
  const users = usersOf(graph);
  return rewrite(graph, (call, [x]) => {
    const source = isSlice(call) ? call.inputs[0]! : undefined;
    if (!source || source !== x || !source.call.op.narrow || !isOnlyUse(call, source, users))
      return undefined;
    return narrowed(call, source);
  });
}

/** Whether all users of all outputs of the call behind `source` are slices of it like this one. */
function isOnlyUse(
  call: Call,
  source: Node,
  users: ReadonlyMap<Node, ReadonlySet<Call | undefined>>,
): boolean {
  const isLike = (user: Call | undefined): boolean =>
    user !== undefined && isSlice(user) && attrsKey(user.attrs) === attrsKey(call.attrs);
  return source.call.outputs.every(
    (node) =>
      !users.has(node) || (node === source && node.index === 0 && [...users.get(node)!].every(isLike)),
  );
}

function narrowed(call: Call, source: Node): readonly Node[] | undefined {
  if (!isSlice(call)) return undefined;
  const { axis, start, end, step } = call.attrs;
  const of = (x: Node, at: number): Node => slice(x, at, start, end, step);
  const result = source.call.op.narrow!(source.call, { axis, size: call.outputs[0]!.shape[axis]!, of });
  return result && [result];
}
