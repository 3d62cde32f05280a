import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type RequestListener, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { useTemporaryFolder } from "../support/folder.ts";

const hasHaproxy = spawnSync("haproxy", ["-v"]).status === 0;
if (!hasHaproxy) console.warn("haproxy is not installed: its configuration is not checked");

describe("deploy/haproxy.cfg", () => {
  test.skipIf(!hasHaproxy)("is accepted by haproxy -c without a warning", () => {
    const env = {
      PATH: process.env.PATH,
      TESSERAE_GATEWAY_1: "127.0.0.1:18081",
      TESSERAE_GATEWAY_2: "127.0.0.1:18082",
    };
    expect(execFileSync("haproxy", ["-c", "-f", "deploy/haproxy.cfg"], { env }).toString()).toContain(
      "is valid",
    );
  });
});

/** What stands in for a gateway: its health, and what it does with a prediction. */
class StandIn {
  isHealthy = true;
  asked = 0;
  predict: RequestListener = () => undefined;
  private server: Server | undefined;
  private port = 0;

  constructor(readonly name: string) {}

  /** Listens, on the same port as before. */
  async listen(): Promise<string> {
    this.server = createServer((call, answer) => {
      if (call.url === "/health/ready") return void answer.writeHead(this.isHealthy ? 200 : 503).end();
      this.asked++;
      this.predict(call, answer);
    }).listen(this.port, "127.0.0.1");
    await once(this.server, "listening");
    this.port = (this.server.address() as AddressInfo).port;
    return `127.0.0.1:${this.port}`;
  }

  async die(): Promise<void> {
    const closed = new Promise((resolve) => this.server?.close(resolve));
    this.server?.closeAllConnections();
    await closed;
  }
}

describe.skipIf(!hasHaproxy)("HAProxy before two gateways", () => {
  const folder = useTemporaryFolder();
  const [clients, stats] = [join(folder, "clients.sock"), join(folder, "stats.sock")];
  const gateways = [new StandIn("1"), new StandIn("2")] as const;
  let haproxy: ChildProcess;

  /** Status and text of an answer. */
  const get = async (socketPath: string, path: string): Promise<[number, string]> => {
    const [answer] = await once(request({ socketPath, path }).end(), "response");
    return [answer.statusCode, await text(answer)];
  };
  const predict = () => get(clients, "/v1/predict/a");
  const countUp = async (): Promise<number> =>
    (await get(stats, "/;csv"))[1].match(/^gateways,gateway-\d,.*?,UP,/gm)?.length ?? 0;

  beforeAll(async () => {
    const [first, second] = [await gateways[0].listen(), await gateways[1].listen()];
    haproxy = spawn("haproxy", ["-db", "-f", "deploy/haproxy.cfg"], {
      env: {
        PATH: process.env.PATH,
        TESSERAE_BIND: clients,
        TESSERAE_STATS_BIND: stats,
        TESSERAE_GATEWAY_1: first,
        TESSERAE_GATEWAY_2: second,
      },
      stdio: "ignore",
    });
    await vi.waitUntil(() => existsSync(clients) && existsSync(stats), 30_000);
  });
  beforeEach(async () => {
    for (const gateway of gateways) {
      gateway.isHealthy = true;
      gateway.asked = 0;
      gateway.predict = (_, answer) => void answer.end(gateway.name);
    }
    await vi.waitUntil(async () => (await countUp()) === 2, 30_000);
  });
  afterAll(async () => {
    haproxy.kill("SIGKILL");
    await Promise.all(gateways.map((gateway) => gateway.die()));
  });

  test("asks the other one when a gateway dies with a request that it has not answered", async () => {
    gateways[0].predict = ({ socket }) => void socket.destroy();
    const answers = await Promise.all(Array.from({ length: 20 }, predict));
    expect(answers).toEqual(Array(20).fill([200, "2"]));
    expect(gateways[0].asked).toBeGreaterThan(0);
  });

  test("goes on when no check succeeds", async () => {
    for (const gateway of gateways) gateway.isHealthy = false;
    await expect.poll(countUp).toBe(0);
    expect((await predict())[0]).toBe(200);
  });

  test("keeps requests while no gateway is there, until one is back", async () => {
    const statusesOfPatient = async (): Promise<readonly unknown[]> => {
      await Promise.all(Array.from({ length: 10 }, predict)); // connections to gateways that break now
      await Promise.all(gateways.map((gateway) => gateway.die()));
      const answers = Array.from({ length: 10 }, () => predict().catch((error) => [error.code]));
      await sleep(300);
      await Promise.all(gateways.map((gateway) => gateway.listen()));
      return (await Promise.all(answers)).map(([status]) => status);
    };
    let statuses = await statusesOfPatient();
    while (statuses.includes(503)) statuses = await statusesOfPatient(); // this process slept longer than HAProxy waits
    expect(statuses).toEqual(Array(10).fill(200));
  });
});

describe("deploy/Dockerfile", () => {
  const lines = readFileSync("deploy/Dockerfile", "utf8").split("\n");

  test("copies what is there, and what its ignore file lets through", () => {
    const allowed = readFileSync("deploy/Dockerfile.dockerignore", "utf8")
      .split("\n")
      .flatMap((line) => (line.startsWith("!") ? [line.slice(1)] : []));
    const sources = lines
      .filter((line) => line.startsWith("COPY ") && !line.includes("--from="))
      .flatMap((line) => line.split(" ").slice(1, -1));
    expect(sources.filter((path) => !existsSync(path))).toEqual([]);
    expect([...new Set(sources)].sort()).toEqual([...allowed].sort());
  });

  test("copies only from stages that it has, and runs as another user than root", () => {
    const stages = lines.flatMap((line) => / AS (\w+)$/.exec(line)?.[1] ?? []);
    const wanted = lines.flatMap((line) => /--from=(\w+)/.exec(line)?.[1] ?? []);
    expect(wanted.filter((stage) => !stages.includes(stage))).toEqual([]);
    expect(lines.indexOf("USER node")).toBeGreaterThan(lines.lastIndexOf("WORKDIR /app"));
  });
});
