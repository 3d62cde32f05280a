/** What this CPU can do with 8-bit integers. */

import { readFileSync } from "node:fs";

/** Flags of Linux for instructions that add four products of bytes into 32 bits without saturating. */
const dotProductFlags = /\b(avx512_vnni|avx_vnni|asimddp|i8mm)\b/;

/** Whether sums of products of 8-bit integers are exact; false where it is not known. */
export function hasIntegerDotProducts(): boolean {
  if (process.platform === "darwin") return process.arch === "arm64";
  try {
    return dotProductFlags.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return false;
  }
}
