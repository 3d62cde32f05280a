import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { GrpcV2Client } from "../serve/protocol/v2-client-grpc.ts";
import { requestOf, resultIn } from "../serve/protocol/v2-text.ts";
import { ModelStore } from "../store/store.ts";
import { cliIn, ended } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run, start } = cliIn(folder);
const running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

const firstLine = async (child: ChildProcess): Promise<string> =>
  String((await once(child.stdout!, "data"))[0]);

describe("worker, gateway and swap", () => {
  test("answer together, change a version, and end with 0 at SIGTERM", async () => {
    const store = new ModelStore(join(folder, "home"));
    const config = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
    for (const seed of [7, 8]) {
      const source = await writeTinyModel(join(folder, `version-${seed}`), config, seed);
      await store.add("reviews", source, { task: "text-classification" });
    }
    const worker = start(["worker", "--port", "0", "--grpc-port", "0", "--threads", "1"]);
    running.push(worker);
    const address = /gateways on (\S+);/.exec(await firstLine(worker))![1]!;
    const gateway = start(["gateway", "--port", "0", "--grpc-port", "0", "--workers", address]);
    running.push(gateway);
    const [, url, grpc] = /answers on (http:\S+), over gRPC on (\S+) for/.exec(await firstLine(gateway))!;
    const ask = async () => {
      const answer = await fetch(`${url}/v1/predict/reviews`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ inputs: "a good film" }),
      });
      return [answer.status, answer.headers.get("x-model-ref")];
    };
    await expect.poll(ask, { timeout: 30_000, interval: 200 }).toEqual([200, "reviews@2"]);
    expect(await run(["swap", "reviews", "reviews@1", "--workers", address])).toMatchObject({
      code: 0,
      stdout: `${address}: reviews is reviews@1\n`,
    });
    expect(await ask()).toEqual([200, "reviews@1"]);
    const client = new GrpcV2Client(grpc!);
    const answer = await client.infer(
      { name: "reviews" },
      requestOf({ inputs: "a good film", parameters: {} }),
    );
    client.close();
    expect([answer.version, resultIn(answer)]).toEqual(["1", expect.stringContaining("score")]);
    const ends = [worker, gateway].map(ended);
    for (const child of [worker, gateway]) child.kill("SIGTERM");
    expect((await Promise.all(ends)).map(({ code }) => code)).toEqual([0, 0]);
  });

  test("say in a sentence or a list what does not hold", async () => {
    const unknown = await run(["gateway", "--workers", "http://here"]);
    expect([unknown.code, unknown.stderr]).toEqual([
      2,
      expect.stringContaining("expected host:port, or dns:///"),
    ]);
    writeFileSync(join(folder, "rules.yaml"), "rules: [{ name: a, use: [] }, { name: a, colour: red }]");
    const bad = await run(["gateway", "--workers", "127.0.0.1:1", "--rules", "rules.yaml"]);
    expect(bad.code).toBe(2);
    expect(bad.stderr).toMatch(/rules.yaml: the rules do not hold:[\s\S]*rules.0.use[\s\S]*rules.1/);
    const away = await run(["swap", "reviews", "--workers", "127.0.0.1:1"]);
    expect([away.code, away.stderr]).toEqual([1, expect.stringContaining("127.0.0.1:1")]);
  });
});
