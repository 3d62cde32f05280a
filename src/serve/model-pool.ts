/** The models that a server answers for: opened when first asked, the least recently used closed again. */

import { LRUCache } from "lru-cache";
import type { Catalog, CatalogModel } from "../store/catalog.ts";
import { type HostOptions, type HostState, ModelHost } from "./model-host.ts";

/** Models kept open at once. */
const maxOpenModels = 8;
/** How long a name keeps meaning the same version before the store is asked again. */
const nameCacheMs = 5000;

/** One row of `GET /v1/models`. */
export interface ModelStatus {
  readonly name: string;
  readonly ref: string;
  readonly source: CatalogModel["source"];
  readonly state: HostState;
  readonly task?: string;
  readonly labels?: readonly string[];
  readonly metrics?: Readonly<Record<string, number>>;
  readonly queueLength: number;
}

export class ModelPool {
  private readonly hosts: LRUCache<string, ModelHost>;
  private readonly names = new LRUCache<string, CatalogModel>({ max: 1000, ttl: nameCacheMs });
  private readonly closing = new Set<Promise<void>>();

  /** `named` models are served beside those of the catalog and go before them. */
  constructor(
    private readonly catalog: Catalog,
    private readonly named: readonly CatalogModel[],
    private readonly options: HostOptions,
  ) {
    this.hosts = new LRUCache({ max: maxOpenModels + named.length, dispose: (host) => this.close(host) });
  }

  /** The host of a name or reference. @throws ConfigError, code not_found, that suggests the nearest name. */
  async host(ref: string): Promise<ModelHost> {
    const model = this.names.get(ref) ?? (await this.find(ref));
    this.names.set(ref, model, { noUpdateTTL: true });
    const known = this.hosts.get(model.folder);
    if (known) return known;
    const host = new ModelHost(model, this.options);
    this.hosts.set(model.folder, host);
    return host;
  }

  /** Opens the models that should answer at once: those named, and the bundled ones. */
  async warmUp(onFailure: (ref: string, error: unknown) => void): Promise<void> {
    const bundled = (await this.catalog.list()).filter(({ source }) => source === "bundled");
    const opened = [...this.named, ...bundled].map(async ({ ref }) => {
      try {
        await (await this.host(ref)).open();
      } catch (error) {
        onFailure(ref, error);
      }
    });
    await Promise.all(opened);
  }

  async status(): Promise<ModelStatus[]> {
    const listed = await this.catalog.list();
    const others = listed.filter(({ folder }) => !this.named.some((model) => model.folder === folder));
    return [...this.named, ...others].map(({ name, ref, source, folder, manifest }) => {
      const host = this.hosts.peek(folder);
      return {
        name,
        ref,
        source,
        state: host?.state ?? "idle",
        ...taskOf(host, manifest),
        queueLength: host?.queueLength ?? 0,
        ...(manifest && { metrics: manifest.metrics }),
      };
    });
  }

  /** Hosts that are or were open, for gauges. */
  openHosts(): ModelHost[] {
    return [...this.hosts.values()];
  }

  /** Waits for all predictions, then ends all workers. */
  async closeAll(): Promise<void> {
    this.hosts.clear();
    await Promise.all(this.closing);
  }

  private async find(ref: string): Promise<CatalogModel> {
    const named = this.named.find((model) => model.ref === ref || model.name === ref);
    return named ?? this.catalog.find(ref);
  }

  private close(host: ModelHost): void {
    const closed = host.close().finally(() => this.closing.delete(closed));
    this.closing.add(closed);
  }
}

function taskOf(host: ModelHost | undefined, manifest: CatalogModel["manifest"]): Partial<ModelStatus> {
  const task = host?.description?.task ?? manifest?.task;
  const labels = manifest?.labels;
  return { ...(task !== undefined && { task }), ...(labels && { labels }) };
}
