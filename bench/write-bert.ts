/** Writes a BERT with random weights as our model folder and, of the same weights, as one for transformers.js. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { constant, isParameter, type Node } from "../src/graph/node.ts";
import { encodeOnnx } from "../src/graph/onnx/encode.ts";
import { matmul } from "../src/graph/ops/matmul.ts";
import { rewrite } from "../src/graph/passes/rewrite.ts";
import { encodeModel, modelFile } from "../src/models/open.ts";
import { architectureOf } from "../src/models/registry.ts";
import { storedNames, traceInference } from "../src/models/trace.ts";
import { initialValue } from "../src/nn/module.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import type { Tokenizer } from "../src/text/tokenizer.ts";
import { writeSafetensors } from "../src/weights/safetensors.ts";

type Config = Record<string, unknown>;

/** Writes `folder` with model.safetensors and model.onnx, and `folder`/onnx/model.onnx with its weights inside. */
export async function writeBert(folder: string, config: Config, tokenizer: Tokenizer): Promise<void> {
  await mkdir(join(folder, "onnx"), { recursive: true });
  const architecture = architectureOf(config);
  const model = architecture.build(config);
  const names = storedNames(architecture, model);
  const values = new Map([...names].map(([node, name]) => [node, initialValue(node, name, 0)]));
  await writeSafetensors(
    join(folder, "model.safetensors"),
    [...names].map(([node, name]) => [name, values.get(node)!]),
  );
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  await tokenizer.save(folder);
  await writeFile(join(folder, modelFile), (await encodeModel(folder)).bytes);
  await writeFile(join(folder, "onnx", "model.onnx"), exportPlain());

  /** The plain graph as PyTorch's exporter writes it: weights of linear layers laid out [in, out], inside the file. */
  function exportPlain(): Uint8Array {
    const specs = architecture.inputs(config).filter(({ isLabel }) => !isLabel);
    const graph = traceInference(model, names, specs);
    const inlined = rewrite(graph, (call, inputs) => {
      const [node] = call.outputs as [Node];
      if (isParameter(node)) return [constant(values.get(node)!)];
      const [, right] = call.inputs;
      if (call.op.name !== "matmul" || !right || !isParameter(right)) return undefined;
      return [matmul(inputs[0]!, constant(transposed(values.get(right)!)))];
    });
    return encodeOnnx({ ...inlined, parameters: new Map() });
  }
}

function transposed({ data, shape }: Tensor): Tensor {
  const [rows, columns] = shape as [number, number];
  const result = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      result[column * rows + row] = Number(data[row * columns + column]);
  }
  return new Tensor("float32", [columns, rows], result);
}

/** config.json of BERT-base with two classes. */
export const bertBase: Config = {
  architectures: ["BertForSequenceClassification"],
  model_type: "bert",
  vocab_size: 30522,
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  hidden_act: "gelu",
  layer_norm_eps: 1e-12,
  pad_token_id: 0,
  id2label: { 0: "negative", 1: "positive" },
  label2id: { negative: 0, positive: 1 },
};
