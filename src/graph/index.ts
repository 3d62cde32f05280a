/** Graphs: values, ops with their gradients, passes, and ONNX. An op is one value; `defineOp` makes a new one. */

export * from "../tensor/dims.ts";
export type { DType } from "../tensor/dtype.ts";
export { Tensor } from "../tensor/tensor.ts";
export { grad } from "./grad.ts";
export { type Graph, validate } from "./graph.ts";
export {
  type Call,
  constant,
  defineOp,
  input,
  Node,
  noGrad,
  type OpFunction,
  type OpSpec,
  parameter,
  registeredOps,
  scalar,
  type Vjp,
  zeroGrad,
} from "./node.ts";
export { type EncodeOptions, type ExternalTensor, encodeOnnx } from "./onnx/encode.ts";
export * from "./ops/activation.ts";
export * from "./ops/conv.ts";
export {
  add,
  broadcastTo,
  div,
  full,
  mul,
  neg,
  ones,
  reshape,
  sub,
  sum,
  transpose,
  zeros,
} from "./ops/core.ts";
export { einsum } from "./ops/einsum.ts";
export * from "./ops/indexing.ts";
export { causalMask } from "./ops/mask.ts";
export * from "./ops/math.ts";
export { type MatmulOptions, matmul } from "./ops/matmul.ts";
export { batchNorm, groupNorm, layerNorm, logSoftmax, rmsNorm, softmax } from "./ops/norm.ts";
export * from "./ops/pool.ts";
export { dropout } from "./ops/random.ts";
export * from "./ops/reduce.ts";
export { type ResizeMode, resize } from "./ops/resize.ts";
export * from "./ops/select.ts";
export * from "./ops/shape.ts";
export { fold, type UnfoldOptions, unfold } from "./ops/unfold.ts";
export { type OptimiseOptions, optimise } from "./passes/optimise.ts";
