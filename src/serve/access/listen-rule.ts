/** Where a server may listen without asking for keys. */

import { isIP } from "node:net";
import { ConfigError } from "../../errors.ts";

export interface ListenWish {
  readonly host: string;
  readonly hasKeys: boolean;
  /** The operator takes it on: another part of the network keeps strangers away. */
  readonly noAuth: boolean;
}

/** Whether an address can be reached from this machine alone. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

/** @throws ConfigError for an address that others can reach, without keys. */
export function assertGuarded({ host, hasKeys, noAuth }: ListenWish): void {
  if (hasKeys || noAuth || isLoopback(host)) return;
  throw new ConfigError(
    `--host ${host}: others can reach it, so callers need keys: make one with "tesserae keys create NAME" and give --keys, or say --no-auth where the network keeps strangers away`,
  );
}
