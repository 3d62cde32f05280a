/** `tesserae worker`: models for gateways, over gRPC. */

import type { Command } from "commander";
import { startWorker } from "../serve/gateway/worker-server.ts";
import { createCommand, runs } from "./command.ts";
import {
  beginTracing,
  commonOptions,
  listen,
  modelOptions,
  modelSettings,
  runUntilStopped,
  serverSettings,
} from "./serving.ts";
import { addSettings, readSettings, setting, wholeFrom } from "./settings.ts";

const settings = {
  ...serverSettings,
  ...modelSettings,
  grpcPort: setting(
    "--grpc-port <number>",
    "port for gateways; 0 lets the system choose",
    wholeFrom(0).default(8001),
  ),
} as const;

export function workerCommand(): Command {
  const command = createCommand(
    "worker",
    "Serve models to gateways over gRPC; HTTP is for health and metrics.",
    [
      "worker --model reviews --host 0.0.0.0 --keys keys.json",
      "worker --port 0 --grpc-port 9001 --redis redis://localhost:6379",
    ],
  );
  addSettings(command, settings);
  return runs<{ printConfig?: boolean }, []>(command, async ({ options, output }) => {
    const { values, shown, document } = await readSettings(command, settings);
    if (options.printConfig) {
      output.result(document, shown);
      return 0;
    }
    const { host, grpcPort } = values;
    const common = await commonOptions(values);
    const endTracing = await beginTracing(command, values);
    const worker = await startWorker({ ...common, ...modelOptions(values) }, { host, port: grpcPort });
    const url = await listen(worker.http, values);
    const grpc = `${host}:${worker.grpcPort}`;
    output.result({ url, grpc }, `Tesserae answers gateways on ${grpc}; health and metrics on ${url}`);
    const { state, metrics, pool } = worker.serving;
    const controls = {
      swap: async (name: string, ref: string | undefined) => (await pool.swap(name, ref)).model.ref,
    };
    const close = async (): Promise<void> => {
      await worker.close();
      common.guard.keys?.close();
      await endTracing();
    };
    return runUntilStopped(values, { state, metrics, guard: common.guard, controls, close }, output);
  });
}
