/** `tokenizer.json` for other libraries, which know nothing of fields of ours. */

import { neverScore } from "./sentencepiece-json.ts";

interface UnigramModel {
  readonly type: string;
  readonly unk_id: number;
  readonly vocab: readonly (readonly [string, number])[];
  readonly ids?: Readonly<Record<string, number>>;
}

/**
 * The same tokenizer with its pieces in the order of their ids, where ours has a table of ids beside them (Marian's).
 * Pieces of the other language stand among them; they are taken only where the language's own cover nothing.
 */
export function portableJson(json: unknown): unknown {
  const { model, ...rest } = json as { readonly model: UnigramModel };
  const { ids, unk_id, vocab, ...fields } = model;
  if (!ids) return json;
  const scores = new Map(vocab);
  const byId = new Map(Object.entries(ids).map(([piece, id]) => [id, piece]));
  const ordered = Array.from({ length: Math.max(...byId.keys()) + 1 }, (_, id) => {
    const piece = byId.get(id) ?? `<unused ${id}>`;
    return [piece, scores.get(piece) ?? neverScore];
  });
  return { ...rest, model: { ...fields, unk_id: ids[vocab[unk_id]![0]], vocab: ordered } };
}
