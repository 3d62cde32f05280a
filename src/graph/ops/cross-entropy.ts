/** Cross entropy of rows with one op, so that its gradient writes the N·C scores' gradients as few times as it can. */

import { ShapeError } from "../../errors.ts";
import { equalShapes, showShape } from "../../tensor/dims.ts";
import { defineOp, type Node, requireFloat } from "../node.ts";
import { lowerThrough } from "../onnx/lower.ts";
import { add, mul, neg, sub, sum } from "./core.ts";
import { addAlong, takeAlong } from "./indexing.ts";
import { exp } from "./math.ts";
import { logSoftmax } from "./norm.ts";
import { mean } from "./reduce.ts";
import { squeeze, unsqueeze } from "./shape.ts";

interface CrossEntropyAttrs {
  /** Share ε of the target that is spread over all classes. */
  readonly smoothing: number;
}

/** −(1 − ε) L[label] − ε mean L, where L is log softmax. */
function plainRows(logProbabilities: Node, labels: Node, smoothing: number): Node {
  const picked = squeeze(takeAlong(logProbabilities, unsqueeze(labels, -1)), -1);
  const spread = smoothing === 0 ? undefined : mul(mean(logProbabilities, -1), smoothing);
  return neg(spread ? add(mul(picked, 1 - smoothing), spread) : picked);
}

const crossEntropyOp = defineOp<CrossEntropyAttrs>("crossEntropyRows", {
  infer: ([logits, labels]) => {
    const dtype = requireFloat("crossEntropyRows", logits!);
    if (logits!.rank === 2 && equalShapes(labels!.shape, logits!.shape.slice(0, 1))) {
      return [{ dtype, shape: labels!.shape }, logits!];
    }
    throw new ShapeError(
      `crossEntropyRows: must be logits [N, C] and labels [N], got ${showShape(logits!.shape)} and ${showShape(labels!.shape)}`,
    );
  },
  // The second output, L, is kept for the gradient.
  lower: (onnx, [logits, labels], call) => {
    const { smoothing } = call.attrs;
    const logProbabilities = onnx.node("LogSoftmax", [logits!], { axis: -1 });
    const rows = lowerThrough(onnx, [logProbabilities, labels!], call, (kept, at) =>
      plainRows(kept!, at!, smoothing),
    );
    return [rows, logProbabilities];
  },
  // dx = dy (softmax − ε/C) − (1 − ε) dy at the label; added there in place.
  vjp: ({ inputs: [logits, labels], outputs: [, kept], grads: [dy, dKept], attrs: { smoothing } }) => {
    const rowGradient = unsqueeze(dy, -1);
    const probabilities = exp(kept!);
    const floor = smoothing / (logits!.shape[1] as number);
    const spread = mul(smoothing === 0 ? probabilities : sub(probabilities, floor), rowGradient);
    const dx = addAlong(spread, unsqueeze(labels!, -1), mul(rowGradient, smoothing - 1));
    if (!dKept) return [dx, null]; // it has one in gradients of gradients only
    return [add(dx, sub(dKept, mul(probabilities, sum(dKept, -1, true)))), null];
  },
});

/**
 * −log softmax(logits)[label] of each row, with a share `smoothing` of the target spread evenly over all classes.
 * logits [N, C], labels int64 [N] inside the classes → [N].
 */
export const crossEntropyRows = (logits: Node, labels: Node, smoothing = 0): Node =>
  crossEntropyOp(logits, labels, { smoothing });

/** The same in separate ops. */
export const plainCrossEntropyRows = (logits: Node, labels: Node, smoothing = 0): Node =>
  plainRows(logSoftmax(logits), labels, smoothing);
