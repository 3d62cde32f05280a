/** Where the workers are: a static list, or the addresses behind a DNS name such as a Kubernetes headless service. */

import { lookup } from "node:dns/promises";
import { isIPv6 } from "node:net";
import { ConfigError } from "../../errors.ts";

/** Gives the present addresses as `host:port`, sorted. */
export type Discover = () => Promise<string[]>;

/**
 * Reads `--workers`: `host:port` as often as wanted, or `dns:///name:port` for all addresses of a name.
 * @throws ConfigError for anything else.
 */
export function discovery(targets: readonly string[]): Discover {
  if (targets.length === 0)
    throw new ConfigError("gateway: expected at least one worker as host:port or dns:///name:port");
  const parts = targets.map(parseTarget);
  return async () => {
    const found = await Promise.all(parts.map((part) => (part.isDns ? addressesOf(part) : [joined(part)])));
    return [...new Set(found.flat())].sort();
  };
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly isDns: boolean;
}

function parseTarget(text: string): Target {
  const {
    dns,
    host = "",
    port = "",
  } = /^(?<dns>dns:\/\/\/)?(?<host>[\w.-]+|\[[\da-f:.]+\]):(?<port>\d{1,5})$/i.exec(text)?.groups ?? {};
  const number = Number(port);
  if (number >= 1 && number <= 65_535)
    return { host: host.replace(/^\[|\]$/g, ""), port: number, isDns: dns !== undefined };
  throw new ConfigError(
    `worker "${text}": expected host:port, or dns:///name:port for every address of a name, such as 10.0.0.7:8001`,
  );
}

/** A name that does not exist yet, as before the first pod is ready, has no addresses; other failures are thrown. */
async function addressesOf({ host, port }: Target): Promise<string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => joined({ host: address, port }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTFOUND") return [];
    throw error;
  }
}

const joined = ({ host, port }: Pick<Target, "host" | "port">): string =>
  isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
