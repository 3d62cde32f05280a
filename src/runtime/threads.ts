/** How many threads computing may use. */

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";

const root = "/sys/fs/cgroup";

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** CPUs that a cgroup's `cpu.max` ("quota period" in µs, or "max") allows. */
export function quotaOf(cpuMax: string): number {
  const [quota, period] = cpuMax.trim().split(" ").map(Number);
  return quota! > 0 && period! > 0 ? Math.max(1, Math.ceil(quota! / period!)) : Number.POSITIVE_INFINITY;
}

/** The tightest quota of this process's cgroup and those above it. Node 20's own count ignores quotas. */
function cgroupQuota(): number {
  const own = /^0::(\/.*)$/m.exec(readText("/proc/self/cgroup"))?.[1] ?? "/";
  let quota = Number.POSITIVE_INFINITY;
  for (let folder = own; ; folder = dirname(folder)) {
    quota = Math.min(quota, quotaOf(readText(join(root, folder, "cpu.max"))));
    if (folder === "/") return quota;
  }
}

/** CPUs this process may use: affinity and the container's quota counted; at least 1. */
export const availableThreads = (): number => Math.min(availableParallelism(), cgroupQuota());
