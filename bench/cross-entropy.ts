/**
 * Loss and gradient of a vocabulary head: the cross-entropy op against the same in separate ops, 608 masked tokens of
 * a batch of 32 × 128. `node --import tsx bench/cross-entropy.ts`; runs alternate, times are medians.
 */

import { grad } from "../src/graph/grad.ts";
import { input, type Node } from "../src/graph/node.ts";
import { encodeOnnx } from "../src/graph/onnx/encode.ts";
import { crossEntropyRows, plainCrossEntropyRows } from "../src/graph/ops/cross-entropy.ts";
import { matmul } from "../src/graph/ops/matmul.ts";
import { mean } from "../src/graph/ops/reduce.ts";
import { optimise } from "../src/graph/passes/optimise.ts";
import { OrtSession } from "../src/runtime/ort-session.ts";
import { Random } from "../src/tensor/random.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { markdownTable } from "./peer.ts";

const [rows, width, runs] = [608, 256, 15];
const random = new Random(1);
const draw = (shape: readonly number[]): Tensor =>
  Tensor.from(
    "float32",
    shape,
    Array.from({ length: shape[0]! * shape[1]! }, () => random.normal() / 16),
  );

async function open(vocabulary: number, loss: typeof crossEntropyRows): Promise<OrtSession> {
  const hidden = input("hidden", "float32", [rows, width]);
  const words = input("words", "float32", [vocabulary, width]);
  const labels = input("labels", "int64", [rows]);
  const total: Node = mean(loss(matmul(hidden, words, { transB: true }), labels));
  const [dHidden, dWords] = grad(total, [hidden, words]);
  const outputs = { total, dHidden: dHidden!, dWords: dWords! };
  const bytes = encodeOnnx(optimise({ inputs: [hidden, words, labels], parameters: new Map(), outputs }));
  return OrtSession.open({ bytes, name: "head" }, { arena: false, inPlaceOutputs: true });
}

async function measure(vocabulary: number): Promise<string[]> {
  const sessions = [await open(vocabulary, plainCrossEntropyRows), await open(vocabulary, crossEntropyRows)];
  const labels = Array.from({ length: rows }, () => random.integer(vocabulary));
  const feeds = {
    hidden: draw([rows, width]),
    words: draw([vocabulary, width]),
    labels: Tensor.from("int64", [rows], labels),
  };
  const targets = {
    total: Tensor.zeros("float32", []),
    dHidden: Tensor.zeros("float32", [rows, width]),
    dWords: Tensor.zeros("float32", [vocabulary, width]),
  };
  const times: number[][] = [[], []];
  for (let turn = -1; turn < runs; turn++) {
    for (const [at, session] of sessions.entries()) {
      const start = performance.now();
      await session.run(feeds, targets);
      if (turn >= 0) times[at]!.push(performance.now() - start);
    }
  }
  for (const session of sessions) await session.release();
  const medians = times.map((values) => values.sort((a, b) => a - b)[values.length >> 1]!.toFixed(0));
  return [String(vocabulary), ...medians];
}

console.log(
  markdownTable(
    ["vocabulary", "separate ops, ms", "one op, ms"],
    [await measure(8000), await measure(30522)],
  ),
);
