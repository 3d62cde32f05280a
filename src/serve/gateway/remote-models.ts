/** The models of a fleet's workers, as a server sees models of its own. */

import { RequestError } from "../../errors.ts";
import { nearest } from "../../store/nearest.ts";
import type { ModelStatus } from "../model-pool.ts";
import type { ServedModels } from "../served-models.ts";
import type { Fleet } from "./fleet.ts";
import { factsOf, type LiveState, resolve } from "./model-facts.ts";
import { RemoteModel } from "./remote-model.ts";
import { noRules } from "./rules.ts";

export class RemoteModels implements ServedModels {
  /** Running means of milliseconds from a call to its answer, by reference. */
  private readonly latencies = new Map<string, number>();

  constructor(private readonly fleet: Fleet) {}

  /** The model of a name or a reference. @throws RequestError, code not_found, that suggests the nearest name. */
  async host(ref: string): Promise<RemoteModel> {
    const models = this.fleet.models();
    const facts = resolve(ref, factsOf(models, noRules));
    const status = models.find((model) => model.ref === facts?.ref);
    if (status) return new RemoteModel(status, ref === status.name, this.fleet, this.learnLatency);
    const guess = nearest(ref, [...new Set(models.map(({ name }) => name))]);
    const hint = guess === undefined ? "GET /v1/models lists what there is" : `did you mean "${guess}"?`;
    throw new RequestError(`model "${ref}": no worker has it; ${hint}`, { code: "not_found" });
  }

  async status(): Promise<ModelStatus[]> {
    return this.fleet.models();
  }

  live(ref: string): LiveState {
    if (this.fleet.workersOf(ref).length === 0)
      return { isAvailable: false, reason: "no worker that has it answers", waitMs: 0 };
    const latencyMs = this.latencies.get(ref);
    return { isAvailable: true, waitMs: this.fleet.waitMs, ...(latencyMs !== undefined && { latencyMs }) };
  }

  private readonly learnLatency = (ref: string, ms: number): void => {
    const mean = this.latencies.get(ref);
    this.latencies.set(ref, mean === undefined ? ms : 0.9 * mean + 0.1 * ms);
  };
}
