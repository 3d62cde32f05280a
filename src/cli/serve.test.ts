import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, writeTinyModel } from "../../test/support/tiny-model.ts";
import { cliIn, ended } from "./run-cli.test-data.ts";

const folder = useTemporaryFolder();
const { run, start } = cliIn(folder);

describe("serve", () => {
  test("answers for a model folder and ends with 0 at SIGTERM, requests under way answered", async () => {
    const size = { max_position_embeddings: 512, hidden_size: 128, num_attention_heads: 4 };
    await writeTinyModel(join(folder, "tags"), tinyConfig("BertForTokenClassification", size));
    const child = start(["serve", "--model", "./tags", "--port", "0", "--drain-timeout", "100"]);
    const end = ended(child);
    const [line] = await once(child.stdout!, "data");
    const url = /on (http:\S+)/.exec(String(line))![1]!;
    const ask = (inputs: unknown) =>
      fetch(`${url}/v1/predict/tags`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ inputs }),
      });
    const entities = (await (await ask("john lives in paris")).json()) as unknown[];
    expect(entities[0]).toMatchObject({ word: "john", start: 0, end: 4 });
    const last = ask(Array(64).fill("the film was good , ".repeat(100)));
    const health = async (): Promise<unknown> => (await fetch(`${url}/health`)).json();
    await expect
      .poll(health, { interval: 5 })
      .toMatchObject({ models: expect.arrayContaining([expect.objectContaining({ queueLength: 64 })]) });
    child.kill("SIGTERM");
    expect((await last).status).toBe(200);
    expect(await end).toMatchObject({ code: 0, stderr: expect.stringContaining("stopping") });
  });

  test("says in one sentence that the port is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await run(["serve", "--port", String(port)]);
    other.close();
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining("another program listens there; choose another"),
    ]);
  });
});
