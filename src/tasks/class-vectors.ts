/**
 * Classes as vectors of a text tower: the mean over prompts that name the class. What was made once is kept, so that
 * further pictures cost no text. Radford et al. 2021, https://arxiv.org/abs/2103.00020, section 3.1.4
 * P features.
 */

import { LRUCache } from "lru-cache";
import type { OpenTowers } from "../models/open-towers.ts";
import { padBatch } from "../text/batch.ts";
import type { Encoding } from "../text/encoding.ts";
import { maxLengthOf } from "./predictor.ts";

/** Classes kept; 512 features each are 20 MB. */
const keptClasses = 10_000;
/** Texts encoded at once; bounds memory. */
const batchSize = 64;

/** What turns cosines into scores. */
export interface ScoreScale {
  readonly scale: number;
  /** Of models whose scores are independent of each other. */
  readonly bias?: number;
}

export class ClassVectors {
  private readonly known = new LRUCache<string, Promise<Float32Array>>({ max: keptClasses });
  private scaleOfScores: ScoreScale | undefined;
  private readonly idsInput: string;
  /** T where the model takes texts of one length only. */
  private readonly fixedLength: number | undefined;
  private readonly maxLength: number;

  constructor(private readonly model: OpenTowers) {
    const { texts, tokenizer, config, folder } = model;
    const ids = texts.inputs.find(({ name }) => name !== "attention_mask")!;
    this.idsInput = ids.name;
    this.fixedLength = typeof ids.shape[1] === "number" ? ids.shape[1] : undefined;
    const textConfig = { max_position_embeddings: 77, ...(config.text_config as object | undefined) };
    this.maxLength = this.fixedLength ?? maxLengthOf(textConfig, tokenizer, folder);
  }

  /** Known once a class is. */
  get scores(): ScoreScale {
    return this.scaleOfScores!;
  }

  /** A vector [P] of length 1 for every label; `{}` in a template stands for the label. */
  of(labels: readonly string[], templates: readonly string[]): Promise<Float32Array[]> {
    const wording = JSON.stringify(templates);
    const keyOf = (label: string): string => wording + label; // where the first ends is plain
    const missing = [...new Set(labels)].filter((label) => !this.known.has(keyOf(label)));
    const prompts = missing.map((label) =>
      templates.map((template) => template.replaceAll("{}", () => label)),
    );
    const encoded = this.encode(prompts.flat());
    const found = new Map<string, Promise<Float32Array>>();
    for (const [at, label] of missing.entries()) {
      const vector = encoded.then((rows) =>
        meanOf(rows.slice(at * templates.length, (at + 1) * templates.length)),
      );
      vector.catch(() => this.known.delete(keyOf(label)));
      this.known.set(keyOf(label), vector);
      found.set(label, vector);
    }
    return Promise.all(labels.map((label) => found.get(label) ?? this.known.get(keyOf(label))!));
  }

  /** One row for each text. */
  private async encode(texts: readonly string[]): Promise<Float32Array[]> {
    const { tokenizer } = this.model;
    const encodings = texts.map((text) => tokenizer.encode(text, undefined, { maxLength: this.maxLength }));
    const order = [...encodings.keys()].sort((a, b) => encodings[a]!.ids.length - encodings[b]!.ids.length);
    const rows: Float32Array[] = new Array(texts.length);
    for (let start = 0; start < order.length; start += batchSize) {
      const places = order.slice(start, start + batchSize);
      const vectors = await this.run(places.map((at) => encodings[at]!));
      for (const [row, at] of places.entries()) rows[at] = vectors[row]!;
    }
    return rows;
  }

  private async run(encodings: readonly Encoding[]): Promise<Float32Array[]> {
    const { texts, tokenizer } = this.model;
    const padId = this.fixedLength ? 0 : tokenizer.padId; // the authors' CLIP is padded with 0
    const length = this.fixedLength;
    const { input_ids, attention_mask } = padBatch(encodings, { padId, ...(length && { length }) });
    const isMasked = texts.inputs.some(({ name }) => name === "attention_mask");
    const { text_embeds, scale, bias } = await texts.run({
      [this.idsInput]: input_ids,
      ...(isMasked && { attention_mask }),
    });
    this.scaleOfScores = { scale: Number(scale!.data[0]), ...(bias && { bias: Number(bias.data[0]) }) };
    const width = text_embeds!.shape[1]!;
    const data = text_embeds!.data as Float32Array;
    return encodings.map((_, row) => data.slice(row * width, (row + 1) * width));
  }
}

/** The mean of vectors, of length 1 again. */
function meanOf(vectors: readonly Float32Array[]): Float32Array {
  const mean = new Float32Array(vectors[0]!.length);
  for (const vector of vectors) for (let i = 0; i < mean.length; i++) mean[i]! += vector[i]!;
  const length = Math.hypot(...mean);
  return mean.map((value) => value / length);
}
