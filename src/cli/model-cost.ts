/** What a model costs to run: operations and memory from its graph, time and energy from runs. */

import { inferenceGraph } from "../compress/quantization-plan.ts";
import { costOf, type GraphCost } from "../graph/cost.ts";
import { symbolSources } from "../graph/graph.ts";
import type { ConfigJson } from "../models/config.ts";
import { type EnergySource, measureEnergy } from "../runtime/energy.ts";
import { showBytes } from "./format.ts";
import { type InputSizes, openWhole, randomFeeds, sizesBySymbol, timeRuns, warmUp } from "./measure.ts";

/** Of one batch of random inputs. */
export interface MeasuredCost {
  readonly p50Ms: number;
  /** Of the whole batch. */
  readonly joules: number;
  readonly energySource: EnergySource;
}

/** Operations and activations of a batch, of the model in floats. @throws ConfigError for a config that does not hold. */
export function graphCost(config: ConfigJson, folder: string, sizes: InputSizes): GraphCost {
  const graph = inferenceGraph(config, folder);
  return costOf(graph, sizesBySymbol(symbolSources(graph).keys(), sizes));
}

const measuredRuns = 20;

/** Runs a model folder on this machine's CPU. */
export async function measureCost(folder: string, sizes: InputSizes): Promise<MeasuredCost> {
  const { session, config } = await openWhole(folder, { provider: "cpu" });
  try {
    const feeds = randomFeeds(session, config, sizes);
    await warmUp(session, feeds);
    let times: number[] = [];
    const { joules, source } = await measureEnergy(async () => {
      times = await timeRuns(session, feeds, measuredRuns);
    });
    return { p50Ms: times[measuredRuns >> 1]!, joules: joules / measuredRuns, energySource: source };
  } finally {
    await session.release();
  }
}

const energySources: Readonly<Record<EnergySource, string>> = {
  rapl: "counted by the processor",
  configured: "TESSERAE_CPU_WATTS × time",
  assumed: "assuming 3 W a thread; set TESSERAE_CPU_WATTS",
};

/** The lines of `tesserae info`. */
export function showCost(
  { flops, activationBytes }: GraphCost,
  sizes: string,
  measured: MeasuredCost | undefined,
): [string, string][] {
  const lines: [string, string][] = [
    ["operations", `${showOperations(flops)} for ${sizes}`],
    ["activations", `${showBytes(activationBytes)} at most at one time`],
  ];
  if (measured) {
    const { p50Ms, joules, energySource } = measured;
    lines.push(
      ["time", `${p50Ms.toFixed(2)} ms`],
      ["energy", `${showJoules(joules)} (${energySources[energySource]})`],
    );
  }
  return lines;
}

/** 22 GFLOP. */
function showOperations(flops: number): string {
  const [unit, size] =
    flops >= 1e12 ? ["TFLOP", 1e12] : flops >= 1e9 ? ["GFLOP", 1e9] : (["MFLOP", 1e6] as const);
  return `${(flops / Number(size)).toPrecision(3)} ${unit}`;
}

const showJoules = (joules: number): string =>
  joules < 1 ? `${(1000 * joules).toPrecision(3)} mJ` : `${joules.toPrecision(3)} J`;
