/** The thread of a `ThreadedSession`: one `OrtSession` behind `serveThread`. */

import type { Tensor } from "../tensor/tensor.ts";
import { openHere } from "./open-here.ts";
import type { OpProfile } from "./profile.ts";
import type { Provider } from "./providers.ts";
import type { Feeds, ModelSource, SessionOptions, StagedSource, ValueInfo } from "./session.ts";
import { serveThread } from "./thread.ts";

export interface SessionInit {
  source: ModelSource | StagedSource;
  options: Omit<SessionOptions, "log">;
}

export interface SessionDescription {
  inputs: readonly ValueInfo[];
  outputs: readonly ValueInfo[];
  provider: Provider;
  /** What `log` is to be told. */
  notices: readonly string[];
}

export interface SessionApi {
  describe(): SessionDescription;
  run(feeds: Feeds, outputs: readonly string[]): Promise<Record<string, Tensor>>;
  profile(by?: "op" | "node"): Promise<OpProfile[]>;
  release(): Promise<void>;
}

serveThread(async ({ source, options }: SessionInit): Promise<SessionApi> => {
  const notices: string[] = [];
  const session = await openHere(source, { ...options, log: (message) => notices.push(message) });
  const { inputs, outputs, provider } = session;
  return {
    describe: () => ({ inputs, outputs, provider, notices }),
    run: (feeds, names) => session.run(feeds, names),
    profile: (by) => session.profile(by),
    release: () => session.release(),
  };
});
