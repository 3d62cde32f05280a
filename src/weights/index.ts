/** Weights: safetensors files, checkpoints, name tables and the hub. */

export { type AssertNamesOptions, assertNames, type NameDifferences } from "./assert-names.ts";
export {
  Checkpoint,
  type CheckpointEntry,
  openCheckpoint,
  type WriteCheckpointOptions,
  writeCheckpoint,
} from "./checkpoint.ts";
export { type DownloadProgress, type ResolvedModel, type ResolveModelOptions, resolveModel } from "./hub.ts";
export { type NameMap, NameTable } from "./names.ts";
export {
  type NamedTensors,
  parseSafetensors,
  readSafetensors,
  SafetensorsFile,
  writeSafetensors,
} from "./safetensors.ts";
export type { SafetensorsEntry } from "./safetensors-header.ts";
export { type StoredDType, sameBytesDType } from "./stored-dtype.ts";
