/** A cluster on this machine: HAProxy → gateways → workers → Redis, each a process of its own on a free port. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export interface ClusterOptions {
  /** The store of models, TESSERAE_HOME of the workers. */
  readonly home: string;
  /** Opened by the workers at once; default: the bundled models. */
  readonly models?: readonly string[];
  /** Default 3. */
  readonly workers?: number;
  /** Where clients connect; default: a free port. */
  readonly port?: number;
  /** Told what the processes write. */
  readonly log?: (line: string) => void;
}

interface Member {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  child: ChildProcess | undefined;
  /** What it wrote last. */
  said: string;
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const gatewayCount = 2;
const startMs = 180_000;

/** The programs that a cluster needs beside Node.js and that are not installed. */
export const missingPrograms = (): string[] =>
  ["haproxy", "redis-server"].filter((name) => spawnSync(name, ["-v"]).error !== undefined);

export class Cluster {
  private readonly members = new Map<string, Member>();

  private constructor(
    /** Where clients connect. */
    readonly url: string,
    /** HAProxy's statistics. */
    private readonly statsUrl: string,
    private readonly gatewayUrls: readonly string[],
    private readonly log: (line: string) => void,
  ) {}

  /** Starts all processes; ready when a request can be answered. @throws Error when it is not within three minutes. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const { home, models = [], workers = 3, log = () => undefined } = options;
    const ports = await freePorts(2 * workers + gatewayCount + 3);
    const next = (): number => ports.pop()!;
    const port = options.port ?? next();
    const gateways = Array.from({ length: gatewayCount }, next);
    const [redis, stats] = [next(), next()];
    const [url, statsUrl, ...gatewayUrls] = [port, stats, ...gateways].map(
      (each) => `http://127.0.0.1:${each}`,
    );
    const cluster = new Cluster(url!, statsUrl!, gatewayUrls, log);
    cluster.add("redis", "redis-server", ["--port", `${redis}`, "--save", "", "--appendonly", "no"]);
    const grpc = Array.from({ length: workers }, next);
    for (const [at, grpcPort] of grpc.entries())
      cluster.addTesserae(
        `worker-${at + 1}`,
        ["worker", "--port", `${next()}`, "--grpc-port", `${grpcPort}`, "--threads", "1"].concat(
          ["--redis", `redis://127.0.0.1:${redis}`],
          models.flatMap((model) => ["--model", model]),
        ),
        { TESSERAE_HOME: home },
      );
    const addresses = grpc.map((grpcPort) => `127.0.0.1:${grpcPort}`);
    for (const [at, gateway] of gateways.entries())
      cluster.addTesserae(`gateway-${at + 1}`, [
        "gateway",
        "--port",
        `${gateway}`,
        "--workers",
        ...addresses,
      ]);
    cluster.add("haproxy", "haproxy", ["-db", "-f", `${root}/deploy/haproxy.cfg`], {
      TESSERAE_BIND: `127.0.0.1:${port}`,
      TESSERAE_STATS_BIND: `127.0.0.1:${stats}`,
      TESSERAE_GATEWAY_1: `127.0.0.1:${gateways[0]}`,
      TESSERAE_GATEWAY_2: `127.0.0.1:${gateways[1]}`,
    });
    try {
      for (const name of cluster.names) cluster.revive(name);
      await cluster.untilReady();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get names(): string[] {
    return [...this.members.keys()];
  }

  /** Sends a signal to a process: SIGKILL ends it, SIGSTOP lets it hang, SIGCONT go on. */
  signal(name: string, signal: NodeJS.Signals): void {
    this.members.get(name)!.child!.kill(signal);
  }

  /** Starts a process that ended. */
  revive(name: string): void {
    const member = this.members.get(name)!;
    const child = spawn(member.command, member.args, {
      cwd: root,
      env: { ...process.env, ...member.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (text) => {
        member.said = String(text).trimEnd();
        this.log(`${name}: ${member.said}`);
      });
    child.on("error", (error) => this.log(`${name}: ${error.message}`));
    member.child = child;
  }

  /** Resolves when every gateway has all workers and HAProxy all gateways. @throws Error after three minutes, or when a process ends. */
  async untilReady(): Promise<void> {
    const endMs = performance.now() + startMs;
    while (!(await this.isWhole())) {
      for (const [name, { child, said }] of this.members)
        if (child && child.exitCode !== null)
          throw new Error(`${name} ended with code ${child.exitCode}: ${said}`);
      if (performance.now() > endMs)
        throw new Error(`the cluster at ${this.url} is not ready after three minutes`);
      await sleep(200);
    }
  }

  /** Ends all processes. */
  async stop(): Promise<void> {
    const running = [...this.members.values()].flatMap(({ child }) =>
      child && child.exitCode === null && child.signalCode === null ? [child] : [],
    );
    const ended = running.map((child) => once(child, "exit"));
    for (const child of running) child.kill("SIGKILL");
    await Promise.all(ended);
  }

  private async isWhole(): Promise<boolean> {
    const gateways = this.gatewayUrls.map(hasAllWorkers);
    return (await Promise.all([sendsToAll(this.statsUrl), ...gateways])).every(Boolean);
  }

  private addTesserae(name: string, args: readonly string[], env: Record<string, string> = {}): void {
    this.add(name, process.execPath, [`${root}/dist/cli/main.js`, ...args], env);
  }

  private add(
    name: string,
    command: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ): void {
    this.members.set(name, { command, args, env, child: undefined, said: "" });
  }
}

async function hasAllWorkers(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/v1/workers`).catch(() => undefined);
  if (!answer?.ok) return false;
  const { workers } = (await answer.json()) as { workers: { state: string }[] };
  return workers.length > 0 && workers.every(({ state }) => state === "ready");
}

/** Whether HAProxy's checks have found every gateway. */
async function sendsToAll(statsUrl: string): Promise<boolean> {
  const answer = await fetch(`${statsUrl}/;csv`).catch(() => undefined);
  const isUp = /^gateways,gateway-\d+,.*?,UP,/gm;
  return answer?.ok === true && (await answer.text()).match(isUp)?.length === gatewayCount;
}

/** Ports that are free now, all at once so that none is given twice. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
