/** A BERT classifier's training step in Tesserae: one step per line of standard input, its seconds on output. */

import { architectureFor } from "../src/models/registry.ts";
import { Random } from "../src/tensor/random.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { TrainStep } from "../src/train/step.ts";
import { answerLines } from "./work-loop.ts";

export interface TrainingSize {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly vocab: number;
  readonly batch: number;
  readonly length: number;
  readonly dropout: number;
  readonly threads: number;
}

const size = JSON.parse(process.argv[2]!) as TrainingSize;
const config = {
  vocab_size: size.vocab,
  hidden_size: size.hidden,
  num_hidden_layers: size.layers,
  num_attention_heads: size.heads,
  intermediate_size: size.intermediate,
  hidden_dropout_prob: size.dropout,
  attention_probs_dropout_prob: size.dropout,
  pad_token_id: 0,
};
const step = await TrainStep.open(architectureFor("bert", "text-classification"), config, {
  threads: size.threads,
});
const random = new Random(0);
const shape = [size.batch, size.length];
const draw = (count: number, bound: number): number[] =>
  Array.from({ length: count }, () => 1 + random.integer(bound - 1));
const batch = {
  input_ids: Tensor.from("int64", shape, draw(size.batch * size.length, size.vocab)),
  attention_mask: Tensor.from("int64", shape, draw(size.batch * size.length, 2)),
  token_type_ids: Tensor.zeros("int64", shape),
  labels: Tensor.from(
    "int64",
    [size.batch],
    Array.from({ length: size.batch }, (_, at) => at % 2),
  ),
};

let count = 0;
await answerLines(async () => {
  const { loss } = await step.run([batch], ++count, 1e-4);
  return { loss };
});
