/**
 * A model in stages that runs in the calling thread: rows leave the batch between stages as soon as they are done.
 * B rows of the batch, C logits of a row.
 */

import { sizeOf, Tensor } from "../tensor/tensor.ts";
import { checkFeeds, fillTargets, wantedOutputs } from "./checks.ts";
import { agree, type ExitRule } from "./exit-rule.ts";
import { nameOf } from "./ort-options.ts";
import { OrtSession } from "./ort-session.ts";
import type { OpProfile } from "./profile.ts";
import type { Provider } from "./providers.ts";
import type { Feeds, Fetches, Session, SessionOptions, StagedSource, ValueInfo } from "./session.ts";

type Tensors = Record<string, Tensor>;

/**
 * Outputs `logits` [B, C] of the last layer that each row went through, and `exit_layer` int64 [B], its number from 1.
 * A row's answer does not depend on the others. Concurrent runs queue.
 */
export class StagedSession implements Session {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly provider: Provider;
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly stages: readonly OrtSession[],
    private readonly exit: ExitRule,
    private readonly where: string,
  ) {
    const [first] = stages;
    this.inputs = first!.inputs;
    this.provider = first!.provider;
    const logits = first!.outputs.find(({ name }) => name.startsWith("logits."))!;
    const exitLayer: ValueInfo = { name: "exit_layer", dtype: "int64", shape: logits.shape.slice(0, 1) };
    this.outputs = [{ ...logits, name: "logits" }, exitLayer];
  }

  /** @throws what `OrtSession.open` throws. */
  static async open(source: StagedSource, options: SessionOptions = {}): Promise<StagedSession> {
    const stages: OrtSession[] = [];
    try {
      for (const stage of source.stages) stages.push(await OrtSession.open(stage, options));
    } catch (error) {
      await Promise.all(stages.map((stage) => stage.release()));
      throw error;
    }
    return new StagedSession(stages, source.exit, nameOf(source));
  }

  async run(feeds: Feeds, fetches?: Fetches): Promise<Tensors> {
    checkFeeds(this.where, this.inputs, feeds);
    const wanted = wantedOutputs(this.where, this.outputs, fetches);
    const run = this.last.then(() => this.runStages(feeds));
    this.last = run.catch(() => undefined);
    return fillTargets(this.where, wanted, await run);
  }

  private async runStages(feeds: Feeds): Promise<Tensors> {
    const rows = new LiveRows(feeds[this.inputs[0]!.name]!.shape[0]!, this.exit);
    let given: Tensors = { ...feeds };
    for (const stage of this.stages) {
      const inputs = stage.inputs.map(({ name }) => [name, given[name]!]);
      const { hidden, bias = given.bias, ...logits } = await stage.run(Object.fromEntries(inputs));
      for (const [name, layer] of layersOf(logits)) rows.answer(logits[name]!, layer);
      const kept = rows.dropDone();
      if (kept.length === 0 || !hidden) break;
      given = { previous: keepRows(hidden, kept), ...(bias && { bias: keepRows(bias, kept) }) };
    }
    return { logits: rows.logits!, exit_layer: rows.exitLayers };
  }

  /** Time by op over all stages. */
  async profile(by: "op" | "node" = "op"): Promise<OpProfile[]> {
    const profiles = await Promise.all(this.stages.map((stage) => stage.profile(by)));
    return profiles.flat();
  }

  async release(): Promise<void> {
    await this.last;
    await Promise.all(this.stages.map((stage) => stage.release()));
  }
}

/** Names `logits.N` with the number of their layer from 1, the lowest first. */
const layersOf = (logits: Tensors): [name: string, layer: number][] =>
  Object.keys(logits)
    .map((name): [string, number] => [name, Number(name.slice("logits.".length)) + 1])
    .sort(([, a], [, b]) => a - b);

/** The given rows alone; they move to the front of the tensor's own memory. */
function keepRows({ dtype, shape, data }: Tensor, rows: readonly number[]): Tensor {
  if (rows.length === shape[0]) return new Tensor(dtype, shape, data);
  const size = sizeOf(shape.slice(1));
  const values = data as Float32Array;
  for (const [place, row] of rows.entries()) values.copyWithin(place * size, row * size, (row + 1) * size);
  return new Tensor(dtype, shape.with(0, rows.length), values.subarray(0, rows.length * size));
}

/** The rows of a batch that are not done, in the order in which the stages hold them, and what was answered so far. */
class LiveRows {
  logits: Tensor | undefined; // [B, C]
  readonly exitLayers: Tensor;
  private live: number[];
  /** By row: how often in a row a classifier agreed with the one before. */
  private readonly agreements: number[];

  constructor(
    batch: number,
    private readonly rule: ExitRule,
  ) {
    this.exitLayers = Tensor.zeros("int64", [batch]);
    this.live = Array.from({ length: batch }, (_, row) => row);
    this.agreements = this.live.map(() => 0);
  }

  /** Takes a classifier's logits of the live rows. */
  answer({ dtype, shape, data }: Tensor, layer: number): void {
    const width = shape[1]!;
    const isFirst = this.logits === undefined;
    this.logits ??= Tensor.zeros(dtype, [this.live.length, width]);
    const answers = this.logits.data as Float32Array;
    for (const [place, row] of this.live.entries()) {
      const before = answers.subarray(row * width, (row + 1) * width);
      const now = (data as Float32Array).subarray(place * width, (place + 1) * width);
      const goesOn = !isFirst && agree(this.rule, before, now);
      this.agreements[row] = goesOn ? this.agreements[row]! + 1 : 0;
      before.set(now);
      this.exitLayers.data[row] = BigInt(layer);
    }
  }

  /** Drops the rows that are done; returns the places of the others in what the last stage gave. */
  dropDone(): number[] {
    const places = [...this.live.keys()];
    const kept = places.filter((place) => this.agreements[this.live[place]!]! < this.rule.patience);
    this.live = kept.map((place) => this.live[place]!);
    return kept;
  }
}
