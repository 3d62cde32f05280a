/**
 * SentencePiece's model files: `spiece.model`, `source.spm`, `target.spm`.
 * Kudo and Richardson 2018, https://arxiv.org/abs/1808.06226; field numbers are those of sentencepiece_model.proto.
 */

import protobuf from "protobufjs";
import { ConfigError } from "../errors.ts";

const proto = `
syntax = "proto2";
package sentencepiece;
message SentencePiece {
  optional string piece = 1;
  optional float score = 2;
  optional int32 type = 3 [default = 1];
}
message TrainerSpec {
  optional int32 model_type = 3 [default = 1];
  optional bool treat_whitespace_as_suffix = 24;
  optional bool byte_fallback = 35;
}
message NormalizerSpec {
  optional string name = 1;
  optional bytes precompiled_charsmap = 2;
  optional bool add_dummy_prefix = 3 [default = true];
  optional bool remove_extra_whitespaces = 4 [default = true];
  optional bool escape_whitespaces = 5 [default = true];
}
message ModelProto {
  repeated SentencePiece pieces = 1;
  optional TrainerSpec trainer_spec = 2;
  optional NormalizerSpec normalizer_spec = 3;
}
`;

/** SentencePiece's ModelProto message; fields that Tesserae does not use are skipped. */
export const ModelProto = protobuf
  .parse(proto, { keepCase: true })
  .root.lookupType("sentencepiece.ModelProto");

/** The numbers of the kinds of pieces. */
export const pieceTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** The numbers of the kinds of models that are supported; word (3) and char (4) are not. */
export const modelTypes = { unigram: 1, bpe: 2 } as const;

export interface Piece {
  text: string;
  score: number;
  type: number; // of `pieceTypes`
}

export interface SentencePieceModel {
  kind: "unigram" | "bpe";
  pieces: readonly Piece[]; // the index is the id
  unkId: number;
  byteFallback: boolean;
  charsmap: Uint8Array; // empty: the text is taken as it is
  addDummyPrefix: boolean; // a space before the text
  removeExtraWhitespace: boolean;
}

interface ProtoFields {
  pieces: { piece: string; score: number; type: number }[];
  trainer_spec: { model_type: number; treat_whitespace_as_suffix: boolean; byte_fallback: boolean } | null;
  normalizer_spec: {
    precompiled_charsmap: Uint8Array;
    add_dummy_prefix: boolean;
    remove_extra_whitespaces: boolean;
    escape_whitespaces: boolean;
  } | null;
}

/** @throws ConfigError when the file is damaged or of a kind that is not supported. */
export function readSentencePiece(bytes: Uint8Array, where: string): SentencePieceModel {
  const { pieces, trainer_spec, normalizer_spec } = decode(bytes, where);
  if (trainer_spec?.treat_whitespace_as_suffix || normalizer_spec?.escape_whitespaces === false) {
    throw new ConfigError(
      `${where}: spaces must be written as prefixes of words; other models are not supported`,
    );
  }
  const unkId = pieces.findIndex(({ type }) => type === pieceTypes.unknown);
  if (unkId < 0) throw new ConfigError(`${where}: must hold an unknown piece, but has none`);
  return {
    kind: kindOf(trainer_spec?.model_type ?? modelTypes.unigram, where),
    pieces: pieces.map(({ piece, score, type }) => ({ text: piece, score, type })),
    unkId,
    byteFallback: trainer_spec?.byte_fallback ?? false,
    charsmap: normalizer_spec?.precompiled_charsmap ?? new Uint8Array(),
    addDummyPrefix: normalizer_spec?.add_dummy_prefix ?? true,
    removeExtraWhitespace: normalizer_spec?.remove_extra_whitespaces ?? true,
  };
}

function decode(bytes: Uint8Array, where: string): ProtoFields {
  try {
    return ModelProto.toObject(ModelProto.decode(bytes), { defaults: true, arrays: true }) as ProtoFields;
  } catch (cause) {
    throw new ConfigError(`${where}: is no SentencePiece model (${(cause as Error).message})`, { cause });
  }
}

function kindOf(type: number, where: string): "unigram" | "bpe" {
  if (type === modelTypes.unigram) return "unigram";
  if (type === modelTypes.bpe) return "bpe";
  throw new ConfigError(`${where}: must be a unigram (1) or bpe (2) model, got model type ${type}`);
}
