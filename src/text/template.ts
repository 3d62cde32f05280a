/** Where special tokens stand around one text or a pair, and each position's type id. */

import { ConfigError } from "../errors.ts";
import type { PostProcessorJson } from "./tokenizer-json.ts";

export type TemplateItem =
  | { kind: "special"; token: string; id: number; typeId: number }
  | { kind: "sequence"; index: 0 | 1; typeId: number };

export interface Template {
  single: readonly TemplateItem[];
  pair: readonly TemplateItem[];
}

const sequence = (index: 0 | 1, typeId: number): TemplateItem => ({ kind: "sequence", index, typeId });

/** The texts alone: no special tokens. */
const bareTemplate: Template = {
  single: [sequence(0, 0)],
  pair: [sequence(0, 0), sequence(1, 1)],
};

/** The template of a `post_processor`. @throws ConfigError when it names an unknown token or leaves a text out. */
export function templateFrom(
  json: PostProcessorJson | null,
  idOf: (token: string) => number | undefined,
): Template {
  const processor = innermost(json);
  if (!processor) return bareTemplate;
  const special = (token: string, typeId: number): TemplateItem => {
    const id = idOf(token);
    if (id === undefined)
      throw new ConfigError(`post_processor: its token "${token}" is not in the vocabulary`);
    return { kind: "special", token, id, typeId };
  };
  if (processor.type === "TemplateProcessing") {
    const convert = (item: (typeof processor.single)[number]): TemplateItem =>
      "SpecialToken" in item
        ? special(item.SpecialToken.id, item.SpecialToken.type_id)
        : sequence(item.Sequence.id === "A" ? 0 : 1, item.Sequence.type_id);
    return checked({ single: processor.single.map(convert), pair: processor.pair.map(convert) });
  }
  const [cls] = processor.cls;
  const [sep] = processor.sep;
  const single = [special(cls, 0), sequence(0, 0), special(sep, 0)];
  return processor.type === "BertProcessing"
    ? { single, pair: [...single, sequence(1, 1), special(sep, 1)] }
    : { single, pair: [...single, special(sep, 0), sequence(1, 0), special(sep, 0)] };
}

/** The one processor that adds tokens: byte-level ones only move offsets, which ours need not. */
function innermost(
  json: PostProcessorJson | null,
): Exclude<PostProcessorJson, { type: "Sequence" | "ByteLevel" }> | undefined {
  if (!json || json.type === "ByteLevel") return undefined;
  if (json.type !== "Sequence") return json;
  for (const processor of json.processors) {
    const found = innermost(processor);
    if (found) return found;
  }
  return undefined;
}

function checked(template: Template): Template {
  const textsOf = (items: readonly TemplateItem[]) =>
    items.flatMap((item) => (item.kind === "sequence" ? [item.index] : [])).join();
  if (textsOf(template.single) !== "0" || textsOf(template.pair) !== "0,1") {
    throw new ConfigError("post_processor: `single` must hold A once, and `pair` A and then B, once each");
  }
  return template;
}

/** The `post_processor` that puts `end` behind the text, or behind each of a pair. */
export const endTemplate = (end: string, vocab: Readonly<Record<string, number>>) => {
  const special = { SpecialToken: { id: end, type_id: 0 } };
  const text = (id: "A" | "B") => ({ Sequence: { id, type_id: 0 } });
  return {
    type: "TemplateProcessing",
    single: [text("A"), special],
    pair: [text("A"), special, text("B"), special],
    special_tokens: { [end]: { id: end, ids: [vocab[end]], tokens: [end] } },
  };
};
