import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { modelOptions, modelSettings as models, serverSettings } from "./serving.ts";
import { addSettings, readSettings } from "./settings.ts";

const folder = useTemporaryFolder();
const table = { ...serverSettings, ...models };

async function read(args: readonly string[], env: Record<string, string> = {}, file?: string) {
  const command = addSettings(new Command("serve").exitOverride(), table);
  const path = join(folder, "serve.yaml");
  if (file !== undefined) writeFileSync(path, file);
  command.parse([...args, ...(file === undefined ? [] : ["--config", path])], { from: "user" });
  return readSettings(command, table, env);
}

describe("settings of a server", () => {
  test("come from flags, then the environment, then a file, then defaults", async () => {
    const file = "port: 1\nhost: 127.0.0.2\nthreads: 3\nmodel: [a, b]\nadmin_port: 9\n";
    const env = { TESSERAE_SERVE_PORT: "2", TESSERAE_SERVE_HOST: "127.0.0.3", TESSERAE_SERVE_AUTH: "false" };
    const { values } = await read(["--port", "4"], env, file);
    expect(values).toMatchObject({ port: 4, host: "127.0.0.3", threads: 3, model: ["a", "b"], adminPort: 9 });
    expect([values.auth, values.logLevel, values.cacheMegabytes]).toEqual([false, "warn", 64]);
  });

  test("tell everything that is wrong at once, and where it is said", async () => {
    const wrong = read(["--port", "x"], { TESSERAE_SERVE_LOG_LEVEL: "loud" }, "thread: 2\nmax-queue: 0\n");
    const { message } = (await wrong.catch((error: unknown) => error)) as Error;
    expect(message.split("\n")).toHaveLength(5);
    expect(message).toMatch(/flag --port: must be a whole number from 0, got "x"/);
    expect(message).toMatch(/environment TESSERAE_SERVE_LOG_LEVEL: must be one of debug, info, warn, error/);
    expect(message).toMatch(/thread: there is no such setting; did you mean "threads"\?/);
    expect(message).toMatch(/max-queue: must be at least 1, got 0/);
  });

  test("say on which device models compute, with no fall-back from one that is named", async () => {
    const { values } = await read(["--precision", "fp32"], { TESSERAE_SERVE_DEVICE: "webgpu" });
    expect(modelOptions(values).session).toEqual({
      provider: "webgpu",
      forceProvider: true,
      precision: "fp32",
    });
    expect(modelOptions((await read([])).values).session).toEqual({});
    await expect(read(["--device", "tpu"])).rejects.toThrow(/flag --device: must be one of cpu, .*got "tpu"/);
  });

  test("are shown with where they come from, secrets hidden", async () => {
    const { shown, document } = await read(["--redis", "redis://me:secret@cache:6379"], {
      TESSERAE_SERVE_PORT: "7",
    });
    expect(shown).toContain("port: 7 # environment TESSERAE_SERVE_PORT");
    expect(shown).toContain("host: 127.0.0.1 # default");
    expect(shown).not.toContain("secret");
    expect(document).toMatchObject({ redis: "redis://(hidden)@cache:6379", "max-inputs": 256 });
  });
});
