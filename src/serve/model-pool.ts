/**
 * The models that a server answers for: opened when first asked, the least recently used closed again. A name means one
 * version at a time; another takes its place when it is open and has shown that it computes, and the old one ends when all
 * that it was asked is answered.
 */

import { LRUCache } from "lru-cache";
import { ConfigError } from "../errors.ts";
import { type Catalog, type CatalogModel, variantOf } from "../store/catalog.ts";
import { listVariants } from "../store/variants.ts";
import type { LiveState } from "./gateway/model-facts.ts";
import { type HostOptions, type HostState, ModelHost } from "./model-host.ts";
import type { ServedModels } from "./served-models.ts";

/** Models kept open at once. */
const maxOpenModels = 8;
const maxNames = 1000;

export interface PoolOptions extends HostOptions {
  /** Milliseconds for which a name means the same version before the store is asked again; default 5,000. */
  readonly nameMs?: number;
  /** Names to open at once, which go on to newer versions like all others; default none. */
  readonly open?: readonly string[];
}

/** One row of `GET /v1/models`. */
export interface ModelStatus {
  readonly name: string;
  readonly ref: string;
  readonly source: CatalogModel["source"];
  readonly variant?: string;
  readonly state: HostState;
  readonly task?: string;
  readonly labels?: readonly string[];
  readonly metrics?: Readonly<Record<string, number>>;
  readonly queueLength: number;
  /** Why it does not answer: a variant that failed its gate, a version that could not take over. */
  readonly refused?: string;
  /** When a stored version was added, ISO 8601. */
  readonly createdAt?: string;
}

/** What a name or reference means now. */
interface Route {
  readonly model: CatalogModel;
  /** Whether a newer version takes over by itself. */
  readonly follows: boolean;
  readonly checkedMs: number;
}

export class ModelPool implements ServedModels {
  /** By what is opened. */
  private readonly hosts: LRUCache<string, ModelHost>;
  /** By the name or reference that is asked for. */
  private readonly routes = new LRUCache<string, Route>({ max: maxNames });
  /** Why a model did not take over or open as what it is, by what is opened. */
  private readonly refusals = new LRUCache<string, string>({ max: maxNames });
  /** Hosts that are opened to take over, by what is opened. */
  private readonly opening = new Map<string, Promise<ModelHost>>();
  private readonly closing = new Set<Promise<void>>();

  /** `named` models are served beside those of the catalog and go before them. */
  constructor(
    private readonly catalog: Catalog,
    private readonly named: readonly CatalogModel[],
    private readonly options: PoolOptions,
  ) {
    this.hosts = new LRUCache({ max: maxOpenModels + named.length, dispose: (host) => this.close(host) });
  }

  /** The host of a name or reference. @throws ConfigError, code not_found, that suggests the nearest name. */
  async host(ref: string): Promise<ModelHost> {
    return this.hostOf(await this.modelOf(ref));
  }

  /**
   * Lets another version answer for a name, once it is open; what was asked before is answered by the old one. `ref` is by
   * default the name itself, so that newer versions take over by themselves again. Returns the host that answers.
   * @throws ConfigError, code not_found; what opening the version throws; the name then means what it did.
   */
  async swap(name: string, ref = name): Promise<ModelHost> {
    const model = await this.find(ref);
    const host = await this.openedAhead(model);
    this.take(name, model, host, ref === name);
    return host;
  }

  /** Opens the models that should answer at once: those named, and the bundled ones. */
  async warmUp(onFailure: (ref: string, error: unknown) => void): Promise<void> {
    const bundled = (await this.catalog.list()).filter(({ source }) => source === "bundled");
    const refs = [...this.named, ...bundled].map(({ ref }) => ref);
    const opened = [...refs, ...(this.options.open ?? [])].map(async (ref) => {
      try {
        await (await this.host(ref)).open();
      } catch (error) {
        onFailure(ref, error);
      }
    });
    await Promise.all(opened);
  }

  /** All models and their variants. */
  async status(): Promise<ModelStatus[]> {
    const listed = await this.catalog.list();
    const others = listed.filter(({ folder }) => !this.named.some((model) => model.folder === folder));
    const rows = await Promise.all([...this.named, ...others].map((model) => this.rowsOf(model)));
    return rows.flat();
  }

  /** Whether the model of a full reference can answer now, and how soon. */
  live(ref: string): LiveState {
    const host = this.openHosts().find(({ model }) => model.ref === ref);
    return host?.live() ?? { isAvailable: true, waitMs: 0 };
  }

  /** Hosts that are or were open, for gauges. */
  openHosts(): ModelHost[] {
    return [...this.hosts.values()];
  }

  /** Waits for all predictions, then ends all workers. */
  async closeAll(): Promise<void> {
    await Promise.allSettled(this.opening.values());
    this.hosts.clear();
    await Promise.all(this.closing);
  }

  /** What a name means; now and then it is looked whether it means something newer. */
  private async modelOf(ref: string): Promise<CatalogModel> {
    const route = this.routes.get(ref);
    const { nameMs = 5000 } = this.options;
    if (route && (!route.follows || performance.now() - route.checkedMs < nameMs)) return route.model;
    if (route) this.routes.set(ref, { ...route, checkedMs: performance.now() }); // others need not look now
    const model = await this.find(ref);
    const now = this.routes.peek(ref);
    if (now && !now.follows) return now.model; // it was swapped meanwhile
    const isOpen = route && this.hosts.peek(keyOf(route.model))?.state === "ready";
    const isNew = route && keyOf(model) !== keyOf(route.model);
    if (!isNew || !isOpen) {
      this.routes.set(ref, { model, follows: true, checkedMs: performance.now() });
      return model;
    }
    if (!this.refusals.has(keyOf(model))) void this.follow(ref, model).catch(() => undefined);
    return route.model;
  }

  /** Lets a newer version answer for a name, unless another is swapped in while it opens. */
  private async follow(name: string, model: CatalogModel): Promise<void> {
    const host = await this.openedAhead(model);
    if (this.routes.peek(name)?.follows) this.take(name, model, host, true);
    else if (this.hosts.peek(keyOf(model)) !== host) this.close(host);
  }

  private async find(ref: string): Promise<CatalogModel> {
    const named = this.named.find((model) => model.ref === ref || model.name === ref);
    return named ?? this.catalog.find(ref);
  }

  private hostOf(model: CatalogModel): ModelHost {
    const key = keyOf(model);
    const known = this.hosts.get(key);
    if (known) return known;
    const host = this.createHost(model);
    this.hosts.set(key, host);
    return host;
  }

  private createHost(model: CatalogModel): ModelHost {
    const { nameMs: _, ...options } = this.options;
    return new ModelHost(model, options, (ref) => this.host(ref));
  }

  /** One host for all who wait for the same model to open. */
  private openedAhead(model: CatalogModel): Promise<ModelHost> {
    const key = keyOf(model);
    const opening = this.opening.get(key) ?? this.openAhead(model).finally(() => this.opening.delete(key));
    this.opening.set(key, opening);
    return opening;
  }

  /** From now on a host answers for a name. */
  private take(name: string, model: CatalogModel, host: ModelHost, follows: boolean): void {
    const old = this.routes.peek(name);
    this.hosts.set(keyOf(model), host);
    this.routes.set(name, { model, follows, checkedMs: performance.now() });
    if (old && keyOf(old.model) !== keyOf(model)) this.closeUnlessUsed(keyOf(old.model));
  }

  /** An open host that nobody is sent to yet. @throws what opening it throws, ConfigError when it is refused. */
  private async openAhead(model: CatalogModel): Promise<ModelHost> {
    const key = keyOf(model);
    const known = this.hosts.peek(key);
    const host = known ?? this.createHost(model);
    try {
      await host.open();
      if (host.refusal !== undefined) throw new ConfigError(`model ${model.ref}: ${host.refusal}`);
      this.refusals.delete(key);
      return host;
    } catch (error) {
      this.refusals.set(key, (error as Error).message);
      if (!known) this.close(host);
      throw error;
    }
  }

  /** Ends a host that no name means any more. */
  private closeUnlessUsed(key: string): void {
    const isUsed = [...this.routes.values()].some(({ model }) => keyOf(model) === key);
    if (!isUsed) this.hosts.delete(key);
  }

  private close(host: ModelHost): void {
    const closed = host.close().finally(() => this.closing.delete(closed));
    this.closing.add(closed);
  }

  private async rowsOf(model: CatalogModel): Promise<ModelStatus[]> {
    const variants = model.variant ? [] : await listVariants(model.folder);
    const found = await Promise.all(variants.map(({ name }) => variantOf(model, name)));
    return [model, ...found].map((each) => this.rowOf(each));
  }

  private rowOf(model: CatalogModel): ModelStatus {
    const host = this.hosts.peek(keyOf(model));
    const { name, ref, source, manifest, variant } = model;
    const task = host?.description?.task ?? manifest?.task;
    const refused = host?.refusal ?? this.refusals.peek(keyOf(model));
    return {
      name,
      ref,
      source,
      state: host?.state ?? "idle",
      queueLength: host?.queueLength ?? 0,
      ...(variant && { variant: variant.name }),
      ...(task !== undefined && { task }),
      ...(manifest?.labels && { labels: manifest.labels }),
      ...(manifest && { metrics: { ...manifest.metrics, ...variant?.record.metrics } }),
      ...(refused !== undefined && { refused }),
      ...(manifest && { createdAt: variant?.record.createdAt ?? manifest.createdAt }),
    };
  }
}

/** What is opened: a folder, and of a variant, which may be made anew in its place, the content. */
const keyOf = ({ folder, variant }: CatalogModel): string => `${folder} ${variant?.record.contentHash ?? ""}`;
