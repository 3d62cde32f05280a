/**
 * Energy of work on a CPU: read from the processor's own counter (RAPL) where Linux lets us, else the watts of the
 * machine, or of a typical server core for each thread, times the time. All count the whole package, so what else runs
 * there is counted too.
 */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { availableThreads } from "./threads.ts";

/** "rapl": counted; "configured": TESSERAE_CPU_WATTS × time; "assumed": `wattsPerThread` × threads × time. */
export type EnergySource = "rapl" | "configured" | "assumed";

export interface MeasuredEnergy {
  readonly joules: number;
  readonly seconds: number;
  readonly source: EnergySource;
}

/** Thermal design power of current server processors by hardware thread, such as 280 W for 128 and 225 W for 56. */
const wattsPerThread = 3;

const raplFolder = "/sys/class/powercap";

export interface EnergyOptions {
  /** Threads that work, for the assumption. Default: those this process may use. */
  readonly threads?: number;
  /** Where the counters are. Default: Linux's folder. */
  readonly counters?: string;
}

/** Runs `work` and says what it took. @throws ConfigError when TESSERAE_CPU_WATTS is no positive number. */
export async function measureEnergy(
  work: () => Promise<void>,
  { threads = availableThreads(), counters = raplFolder }: EnergyOptions = {},
): Promise<MeasuredEnergy> {
  const watts = configuredWatts();
  const before = await readCounters(counters);
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const after = await readCounters(counters);
  if (before && after) return { joules: joulesBetween(before, after), seconds, source: "rapl" };
  if (watts !== undefined) return { joules: watts * seconds, seconds, source: "configured" };
  return { joules: wattsPerThread * threads * seconds, seconds, source: "assumed" };
}

/** How `measureEnergy` would know on this machine. @throws as it does. */
export async function energySource(): Promise<EnergySource> {
  const watts = configuredWatts();
  if (await readCounters(raplFolder)) return "rapl";
  return watts === undefined ? "assumed" : "configured";
}

function configuredWatts(): number | undefined {
  const text = process.env.TESSERAE_CPU_WATTS;
  if (!text) return undefined;
  const watts = Number(text);
  if (Number.isFinite(watts) && watts > 0) return watts;
  throw new ConfigError(`TESSERAE_CPU_WATTS: expected the watts of the processor, got "${text}"`);
}

/** A processor package's counter in microjoules, which starts again from 0 at `range`. */
interface Counter {
  readonly value: number;
  readonly range: number;
}

/** The counters of all packages; undefined where there are none or they may not be read. */
async function readCounters(folder: string): Promise<Counter[] | undefined> {
  try {
    const packages = (await readdir(folder)).filter((name) => /^intel-rapl:\d+$/.test(name)).sort();
    const number = async (name: string, file: string): Promise<number> =>
      Number(await readFile(join(folder, name, file), "utf8"));
    const counters = await Promise.all(
      packages.map(async (name) => ({
        value: await number(name, "energy_uj"),
        range: await number(name, "max_energy_range_uj"),
      })),
    );
    return counters.length > 0 ? counters : undefined;
  } catch {
    return undefined; // most systems let only root read them
  }
}

const joulesBetween = (before: readonly Counter[], after: readonly Counter[]): number =>
  after.reduce((sum, { value, range }, at) => {
    const spent = value - (before[at]?.value ?? value);
    return sum + (spent < 0 ? spent + range : spent);
  }, 0) / 1e6;
