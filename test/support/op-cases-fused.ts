/** Cases of the fused ops. */

import { crossEntropyRows } from "../../src/graph/ops/cross-entropy.ts";
import { biasGelu, fusedGeluTanh, fusedRmsNorm, skipLayerNorm, swish } from "../../src/graph/ops/fused.ts";
import { fusedAttention } from "../../src/graph/ops/fused-attention.ts";
import { B, type CaseTable, floats, ints, T } from "./op-cases.ts";

const attention = { numHeads: 2, scale: 0.7 };
const heads = floats([B, T, 4]);

export const fusedCases: CaseTable = {
  fusedGeluTanh: [{ title: "around zero", inputs: [floats([B, 4], -3, 3)], build: (x) => fusedGeluTanh(x) }],
  swish: [
    { title: "as quick GELU", inputs: [floats([B, 4], -3, 3)], build: (x) => swish(x, { alpha: 1.702 }) },
  ],
  biasGelu: [
    { title: "of rows", inputs: [floats([B, T, 3]), floats([3])], build: (x, bias) => biasGelu(x, bias) },
  ],
  fusedRmsNorm: [
    {
      title: "of rows",
      inputs: [floats([B, T, 3]), floats([3])],
      build: (x, scale) => fusedRmsNorm(x, scale, { epsilon: 1e-6 }),
    },
  ],
  skipLayerNorm: [
    {
      title: "of rows",
      inputs: [floats([B, T, 3]), floats([B, T, 3]), floats([3]), floats([3])],
      build: (...inputs) => skipLayerNorm(...inputs, { epsilon: 1e-5 }),
    },
    {
      title: "of a value and a function of it",
      inputs: [floats([B, 3]), floats([3]), floats([3])],
      build: (x, scale, shift) => skipLayerNorm(fusedGeluTanh(x), x, scale, shift, { epsilon: 1e-2 }),
    },
  ],
  crossEntropyRows: [
    {
      title: "of rows",
      inputs: [floats([B, 4], -3, 3), ints([B], [3, 0])],
      build: (logits, labels) => crossEntropyRows(logits, labels),
    },
    {
      title: "with smoothed labels",
      inputs: [floats([B, 4], -3, 3), ints([B], [3, 3])],
      build: (logits, labels) => crossEntropyRows(logits, labels, 0.2),
    },
  ],
  fusedAttention: [
    {
      title: "without bias",
      inputs: [heads, heads, floats([B, T, 6])],
      build: (query, key, value) => fusedAttention(query, key, value, attention),
    },
    {
      title: "to another sequence, with a bias per key",
      inputs: [heads, floats([B, 2, 4]), floats([B, 2, 4]), floats([B, 1, 1, 2])],
      build: (...inputs) => fusedAttention(...inputs, attention),
    },
    {
      title: "with a bias per pair of positions",
      inputs: [heads, heads, heads, floats([T, T])],
      build: (...inputs) => fusedAttention(...inputs, attention),
    },
    {
      title: "with a bias per head",
      inputs: [heads, heads, heads, floats([1, 2, T, T])],
      build: (...inputs) => fusedAttention(...inputs, attention),
    },
  ],
};
