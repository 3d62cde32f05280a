/** A classifier of a folder as it is served, with its exits, in the calling thread. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { readConfig } from "../models/config.ts";
import { exitRuleOf } from "../models/early-exit.ts";
import { encodeModel, encodeStages, modelFile } from "../models/open.ts";
import { architectureOf } from "../models/registry.ts";
import { openHere } from "../runtime/open-here.ts";
import type { Session, SessionOptions } from "../runtime/session.ts";

/** @throws as `openModel`. */
export async function openServing(folder: string, options: SessionOptions = {}): Promise<Session> {
  const config = await readConfig(folder);
  const exit = exitRuleOf(architectureOf(config, folder), config);
  if (exit) return openHere(await encodeStages(folder, exit), options);
  const path = join(folder, modelFile);
  return openHere(existsSync(path) ? { path } : { ...(await encodeModel(folder)), name: folder }, options);
}
