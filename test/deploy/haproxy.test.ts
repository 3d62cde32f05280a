import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

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
