/** A small real training task: which of two kinds of words a sentence has more of. */

import { Random } from "../../src/tensor/random.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { padBatch } from "../../src/text/batch.ts";
import { bertTokenizerJson } from "../../src/text/bert-vocab.ts";
import { Tokenizer } from "../../src/text/tokenizer.ts";
import type { Batch } from "../../src/train/step.ts";
import type { Dataset, TrainTask } from "../../src/train/task.ts";
import type { TrainRun } from "../../src/train/trainer.ts";

const words = { positive: ["good", "fine", "great", "nice"], negative: ["bad", "poor", "awful", "sad"] };
const fillers = ["the", "a", "film", "it", "was", "and"];
const vocabulary = [
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "[MASK]",
  ...fillers,
  ...words.positive,
  ...words.negative,
];

interface Sentence {
  readonly text: string;
  readonly label: number;
}

function sentences(count: number, random: Random): Sentence[] {
  return Array.from({ length: count }, (_, at) => {
    const pool = at % 2 === 1 ? words.positive : words.negative;
    const length = 2 + random.integer(8);
    const text = Array.from(
      { length },
      (_, word) => (word % 2 === 0 ? pool : fillers)[random.integer(4)],
    ).join(" ");
    return { text, label: at % 2 };
  });
}

interface TinyDataset extends Dataset {
  readonly labels: readonly number[];
  collate(indices: readonly number[], length: number, random: Random): Batch;
}

function datasetOf(items: readonly Sentence[], tokenizer: Tokenizer): TinyDataset {
  const encodings = items.map(({ text }) => tokenizer.encode(text));
  const labels = items.map(({ label }) => label);
  return {
    labels,
    lengths: encodings.map(({ length }) => length),
    collate: (indices, length) => ({
      ...padBatch(
        indices.map((at) => encodings[at]!),
        { padId: tokenizer.padId, length },
      ),
      labels: Tensor.from(
        "int64",
        [indices.length],
        indices.map((at) => labels[at]!),
      ),
    }),
  };
}

/** Everything `fit` needs but the output folder. */
export function tinyRun(): Omit<TrainRun, "output"> & Record<"train" | "validation", TinyDataset> {
  const tokenizer = new Tokenizer(bertTokenizerJson(vocabulary.join("\n"), {}, "vocab.txt"));
  const random = new Random(7);
  const task: TrainTask = {
    name: "text-classification",
    config: {},
    bestMetric: "accuracy",
    maxLength: 32,
    evaluator: (dataset) => {
      const { labels } = dataset as TinyDataset;
      let [right, count] = [0, 0];
      return {
        add: ({ logits }, indices) => {
          const scores = logits!.toNumbers();
          indices.forEach((item, row) => {
            count += 1;
            if (Number(scores[2 * row + 1]! > scores[2 * row]!) === labels[item]) right += 1;
          });
        },
        result: () => ({ accuracy: right / count }),
      };
    },
    saveFiles: (folder) => tokenizer.save(folder),
  };
  const config = {
    architectures: ["BertForSequenceClassification"],
    model_type: "bert",
    vocab_size: vocabulary.length,
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 32,
    max_position_embeddings: 32,
    initializer_range: 0.1,
    pad_token_id: 0,
  };
  return {
    config,
    task,
    train: datasetOf(sentences(30, random), tokenizer),
    validation: datasetOf(sentences(12, random), tokenizer),
  };
}
