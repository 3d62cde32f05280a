/** Sessions: running ONNX models, in this thread or in one of their own. */

export type { ExitRule } from "./exit-rule.ts";
export { openHere } from "./open-here.ts";
export { OrtSession } from "./ort-session.ts";
export { type OpProfile, profileTable } from "./profile.ts";
export { listProviders, type Provider, type ProviderState } from "./providers.ts";
export type {
  Feeds,
  Fetches,
  ModelSource,
  RunOptions,
  Session,
  SessionOptions,
  StagedSource,
  ValueInfo,
} from "./session.ts";
export { serveThread, startThread, type Thread, workerUrl } from "./thread.ts";
export { openSession, ThreadedSession } from "./threaded-session.ts";
export { availableThreads } from "./threads.ts";
export { copyTensor } from "./wire.ts";
