/** Small BERT folders with random weights, for tests that run the real thing. */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ModelProto } from "../../src/graph/onnx/schema.ts";
import type { ConfigJson } from "../../src/models/config.ts";
import { encodeModel } from "../../src/models/open.ts";
import { architectureOf } from "../../src/models/registry.ts";
import { storedNames } from "../../src/models/trace.ts";
import { initialValue } from "../../src/nn/module.ts";
import { bertTokenizerJson } from "../../src/text/bert-vocab.ts";
import { Tokenizer } from "../../src/text/tokenizer.ts";
import { writeCheckpoint } from "../../src/weights/checkpoint.ts";

const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const words =
  "the a an of to in on at for with and or not is was are be has have who what where when how why film movie book " +
  "story actor music good great fine bad dull poor very too so it this that he she they we you i john mary smith " +
  "london paris berlin acme bank river red blue green one two three four five runs ran likes liked saw seen lives " +
  "works born city company person place name time year day , . ! ? ' - ( ) : ; s t";
const pieces = "##s ##ing ##ed ##er ##ly ##able ##town ##son un re";

/** About 130 tokens: special ones, common words, punctuation and a few pieces of words. */
export const tinyVocab: readonly string[] = [...special, ...words.split(" "), ...pieces.split(" ")];

const tokenizerConfig = {
  tokenizer_class: "BertTokenizer",
  do_lower_case: true,
  model_max_length: 64,
  pad_token: "[PAD]",
  unk_token: "[UNK]",
  cls_token: "[CLS]",
  sep_token: "[SEP]",
  mask_token: "[MASK]",
};

export const tinyTokenizer = (): Tokenizer =>
  new Tokenizer(bertTokenizerJson(tinyVocab.join("\n"), {}, "vocab.txt"), tokenizerConfig);

/** The config.json of a 2-layer BERT. The wide weights make its answers differ clearly from each other. */
export const tinyConfig = (architecture: string, extra: ConfigJson = {}): ConfigJson => ({
  architectures: [architecture],
  model_type: "bert",
  vocab_size: tinyVocab.length,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 64,
  max_position_embeddings: 64,
  initializer_range: 0.3,
  pad_token_id: 0,
  ...extra,
});

/** Config fields for class names. */
export const withLabels = (...labels: string[]): ConfigJson => ({
  id2label: Object.fromEntries(labels.map((label, id) => [id, label])),
  label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
});

/** Writes config.json, vocab.txt, tokenizer_config.json and model.safetensors; returns the folder. */
export async function writeTinyModel(folder: string, config: ConfigJson, seed = 7): Promise<string> {
  await mkdir(folder, { recursive: true });
  const architecture = architectureOf(config);
  const names = storedNames(architecture, architecture.build(config));
  await writeCheckpoint(
    folder,
    [...names].map(([node, name]) => [name, initialValue(node, name, seed)] as const),
  );
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  await writeFile(join(folder, "vocab.txt"), tinyVocab.join("\n"));
  await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(tokenizerConfig));
  return folder;
}

interface ExternalInitializer {
  external_data?: { key: string; value: string }[];
  data_location?: number;
  raw_data?: Uint8Array;
}

/** Adds what transformers.js reads to a tiny model's folder: tokenizer.json and onnx/model.onnx with its weights inside. */
export async function exportForPeers(folder: string): Promise<void> {
  const { bytes: encoded } = await encodeModel(folder);
  const model = ModelProto.toObject(ModelProto.decode(encoded)) as {
    graph: { initializer: ExternalInitializer[] };
  };
  for (const initializer of model.graph.initializer) {
    if (!initializer.external_data) continue;
    const { location, offset, length } = Object.fromEntries(
      initializer.external_data.map(({ key, value }) => [key, value]),
    );
    const bytes = await readFile(join(folder, location!));
    initializer.raw_data = bytes.subarray(Number(offset), Number(offset) + Number(length));
    delete initializer.external_data;
    delete initializer.data_location;
  }
  await mkdir(join(folder, "onnx"), { recursive: true });
  await writeFile(
    join(folder, "onnx", "model.onnx"),
    ModelProto.encode(ModelProto.fromObject(model)).finish(),
  );
  await tinyTokenizer().save(folder);
}
