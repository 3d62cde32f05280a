import { OrtSession } from "./ort-session.ts";
import type { ModelSource, Session, SessionOptions, StagedSource } from "./session.ts";
import { StagedSession } from "./staged-session.ts";

/** Opens a model of one graph or of several stages in the calling thread. @throws as `OrtSession.open`. */
export const openHere = (source: ModelSource | StagedSource, options?: SessionOptions): Promise<Session> =>
  "stages" in source ? StagedSession.open(source, options) : OrtSession.open(source, options);
