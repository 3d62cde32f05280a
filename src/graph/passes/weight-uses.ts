/** How a graph uses its parameters as weights: what can be kept in integers, and what it is multiplied with. */

import type { Graph } from "../graph.ts";
import { type Node, topologicalOrder } from "../node.ts";
import type { IntegerWeight } from "../ops/quantized-weight.ts";

/** Ways to use a weight; "other" has no form in integers. */
export type WeightUse = "product" | "transposed product" | "rows" | "other";

export interface UsedWeight {
  readonly name: string;
  readonly parameter: Node;
  readonly uses: ReadonlySet<WeightUse>;
  /** What it is multiplied with; none for look-ups. */
  readonly inputs: readonly Node[];
}

/** Every parameter that some op of the graph uses as a weight, in the order of their first use. */
export function weightUses(graph: Graph): UsedWeight[] {
  const found = new Map<Node, { uses: Set<WeightUse>; inputs: Set<Node> }>();
  for (const call of topologicalOrder(Object.values(graph.outputs))) {
    call.inputs.forEach((node, at) => {
      if (!graph.parameters.has(node)) return;
      const own = found.get(node) ?? { uses: new Set(), inputs: new Set() };
      found.set(node, own);
      const witness = new Witness();
      call.op.quantize?.(call, at, witness);
      own.uses.add(witness.use);
      if (witness.input) own.inputs.add(witness.input);
    });
  }
  return [...found]
    .map(([node, { uses, inputs }]) => ({
      name: graph.parameters.get(node)!,
      parameter: node,
      uses,
      inputs: [...inputs],
    }))
    .filter(({ uses }) => [...uses].some((use) => use !== "other"));
}

/** Notes how it is used and gives nothing. */
class Witness implements IntegerWeight {
  use: WeightUse = "other";
  input: Node | undefined;

  product(x: Node, isTransposed: boolean): undefined {
    this.note(isTransposed ? "transposed product" : "product", x);
  }

  rows(): undefined {
    this.note("rows");
  }

  dequantized(): undefined {}

  private note(use: WeightUse, x?: Node): void {
    this.use = use;
    this.input = x;
  }
}
