/** Which fused ops to use where. */

import "./activation.ts";
import "./fused.ts";
import "./fused-attention.ts";
import "./norm.ts";

/**
 * Names of fused ops for the `fuse` pass, by the hardware a graph runs on; `standard` are those that ONNX itself has. On a CPU, ONNX Runtime's attention and skip
 * normalisation take longer than the plain ops (see `bench/fused-ops.ts`); on GPUs they have not been measured.
 */
export const fusions = {
  standard: ["gelu", "layerNorm", "fusedGeluTanh"],
  cpu: ["gelu", "layerNorm", "fusedRmsNorm", "biasGelu", "fusedGeluTanh", "swish"],
  gpu: [
    "gelu",
    "layerNorm",
    "fusedAttention",
    "skipLayerNorm",
    "fusedRmsNorm",
    "biasGelu",
    "fusedGeluTanh",
    "swish",
  ],
} as const;
