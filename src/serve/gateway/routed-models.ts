/** Models behind a router: a request says what it wants, the rules say which models may answer, the first that can does. */

import { RequestError, RuntimeFailure, TesseraeError } from "../../errors.ts";
import type { PredictOptions, Question } from "../model-host.ts";
import type { ModelStatus } from "../model-pool.ts";
import type { ServedModel, ServedModels } from "../served-models.ts";
import { inSpan } from "../tracing.ts";
import { factsOf, type LiveState, type ModelFacts } from "./model-facts.ts";
import { type Route, route } from "./route.ts";
import type { RouteQuery } from "./route-query.ts";
import type { Rules } from "./rules.ts";

/** Milliseconds for which the list of models is taken as known. */
const listMs = 2000;

export class RoutedModels implements ServedModels {
  private facts: readonly ModelFacts[] = [];
  private factsRules: Rules | undefined;
  private factsAtMs = Number.NEGATIVE_INFINITY;

  /** `rules` gives those that hold now. */
  constructor(
    private readonly models: ServedModels,
    private readonly rules: () => Rules,
  ) {}

  /** The model of a name, an alias or a reference. */
  host(ref: string): Promise<ServedModel> {
    return this.hostFor({ model: ref });
  }

  /**
   * What answers a request: the model it names, or candidates to be tried in their order.
   * @throws RequestError when the request wants nothing that is known; RequestError, code not_found, when
   * no model fits; RuntimeFailure, code unavailable, when those that fit are away.
   */
  hostFor(query: RouteQuery): Promise<ServedModel> {
    return inSpan("route", {}, async (span) => {
      const model = await this.choose(query);
      span.setAttribute("model.ref", model.model.ref);
      return model;
    });
  }

  private async choose(query: RouteQuery): Promise<ServedModel> {
    if (query.model !== undefined && !this.isRouted(query)) return this.models.host(query.model);
    const decision = await this.explain(query);
    const [first] = decision.candidates;
    if (!first) throw nothingLeft(decision);
    return new RoutedModel(
      await this.models.host(first.asked),
      decision.candidates.slice(1).map(({ asked }) => asked),
      (ref) => this.models.host(ref),
    );
  }

  /** The decision on a request, without running it. @throws RequestError as `route` does. */
  async explain(query: RouteQuery): Promise<Route> {
    return route(query, {
      rules: this.rules(),
      models: await this.knownModels(),
      live: (ref) => this.models.live(ref),
    });
  }

  status(): Promise<ModelStatus[]> {
    return this.models.status();
  }

  live(ref: string): LiveState {
    return this.models.live(ref);
  }

  /** Whether more than the name decides. */
  private isRouted({ model, task, modality, language, quality, maxCost }: RouteQuery): boolean {
    const isWishing = [task, modality, language, quality, maxCost].some((wish) => wish !== undefined);
    return isWishing || this.rules().rules.some(({ when }) => !when.model || when.model.includes(model!));
  }

  private async knownModels(): Promise<readonly ModelFacts[]> {
    const rules = this.rules();
    if (rules !== this.factsRules || performance.now() - this.factsAtMs > listMs) {
      this.facts = factsOf(await this.models.status(), rules);
      this.factsRules = rules;
      this.factsAtMs = performance.now();
    }
    return this.facts;
  }
}

/** Candidates of one request; `model` is the one that answered, or is asked now. */
class RoutedModel implements ServedModel {
  constructor(
    private current: ServedModel,
    private readonly others: string[],
    private readonly open: (ref: string) => Promise<ServedModel>,
  ) {}

  get model(): ServedModel["model"] {
    return this.current.model;
  }

  readsPictures(): Promise<boolean> {
    return this.current.readsPictures();
  }

  /** The answer of the first candidate that does not fail for reasons of its own. */
  async predict(question: Question, { deadlineMs, ...options }: PredictOptions = {}): Promise<unknown> {
    const startMs = performance.now();
    for (;;) {
      const leftMs = deadlineMs === undefined ? undefined : deadlineMs - (performance.now() - startMs);
      try {
        return await this.current.predict(question, { ...options, deadlineMs: leftMs });
      } catch (error) {
        const next = options.signal?.aborted || !isItsOwnFault(error) ? undefined : this.others.shift();
        if (next === undefined) throw error;
        this.current = await this.open(next);
      }
    }
  }

  get stream(): ServedModel["stream"] {
    return this.current.stream?.bind(this.current);
  }

  get graph(): ServedModel["graph"] {
    return this.current.graph?.bind(this.current);
  }

  get infer(): ServedModel["infer"] {
    return this.current.infer?.bind(this.current);
  }
}

/** Whether another model may answer what this one could not. */
const isItsOwnFault = (error: unknown): boolean =>
  error instanceof TesseraeError &&
  ["overloaded", "unavailable", "interrupted", "runtime", "weight", "not_found"].includes(error.code);

/** Nothing may answer: for now, or ever. */
function nothingLeft({ rule, rejected }: Route): TesseraeError {
  const where = rule === undefined ? "route" : `rule "${rule}"`;
  const reasons = rejected.map(({ ref, reason }) => `${ref} ${reason}`).join("; ") || "there are none";
  if (rejected.some(({ isAway }) => isAway))
    return new RuntimeFailure(`${where}: no model can answer now, retry later: ${reasons}`, {
      code: "unavailable",
    });
  return new RequestError(`${where}: no model fits the request: ${reasons}`, { code: "not_found" });
}
