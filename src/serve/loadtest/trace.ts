/** What is asked when: arrivals by chance at a rate, texts repeated as people repeat them. The same seed, the same trace. */

import { ConfigError } from "../../errors.ts";
import { Random } from "../../tensor/random.ts";

export interface TraceOptions {
  /** Requests per second. */
  readonly rate: number;
  readonly seconds: number;
  readonly texts: readonly string[];
  /**
   * Share of requests that repeat a text, in [0, 1): those are drawn by Zipf's law from the first texts, all others are new
   * texts one after the other. Default: every request draws by Zipf's law from all texts.
   */
  readonly repeats?: number | undefined;
  /** Zipf's exponent: text k is asked in proportion to 1 / k^exponent. 0: all alike. Default 1. */
  readonly zipf?: number | undefined;
  /** Default 0. */
  readonly seed?: number | undefined;
}

/** One request of a trace. */
export interface Arrival {
  /** When it is sent, from the trace's begin. */
  readonly atMs: number;
  readonly text: string;
}

/** Texts that repeated requests draw from. */
const popularTexts = 200;

/** Arrivals of a Poisson process: times between them are independent and exponential. @throws ConfigError without texts. */
export function drawTrace(options: TraceOptions): Arrival[] {
  const { rate, seconds, texts, repeats, zipf = 1, seed = 0 } = options;
  if (texts.length === 0)
    throw new ConfigError("loadtest: there are no texts to send; give a file with --data");
  const random = new Random(seed);
  const popular = zipfSampler(
    repeats === undefined ? texts.length : Math.min(popularTexts, texts.length),
    zipf,
  );
  let fresh = 0;
  const next = (): string => {
    if (repeats === undefined || random.uniform() < repeats) return texts[popular(random.uniform())]!;
    const at = fresh++;
    const round = Math.floor(at / texts.length);
    const text = texts[at % texts.length]!;
    return round === 0 ? text : `${text} ${round}`; // a longer trace than the file stays without repeats
  };
  const arrivals: Arrival[] = [];
  let atMs = 0;
  for (;;) {
    atMs += (-Math.log(1 - random.uniform()) * 1000) / rate;
    if (atMs >= seconds * 1000) return arrivals;
    arrivals.push({ atMs, text: next() });
  }
}

/** The index of `count` that a uniform number means. */
function zipfSampler(count: number, exponent: number): (uniform: number) => number {
  const sums: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= count; rank++) {
    sum += 1 / rank ** exponent;
    sums.push(sum);
  }
  return (uniform) => {
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > uniform * sum) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
