/** Boolean masks of attention: true where a query may attend to a key. */

import { type Dim, subDims } from "../../tensor/dims.ts";
import type { Node } from "../node.ts";
import { add, dimValue } from "./core.ts";
import { lessEqual } from "./select.ts";
import { iota, unsqueeze } from "./shape.ts";

/** Keys up to and including the query's own position; the queries are the last of the keys. [queries, keys] */
export function causalMask(queries: Dim, keys: Dim = queries): Node {
  const positions = add(iota(queries), dimValue("int64", subDims(keys, queries)));
  return lessEqual(unsqueeze(iota(keys), 0), unsqueeze(positions, 1));
}
