/** `tesserae worker`: models for gateways, over gRPC. */

import type { Command } from "commander";
import { startWorker } from "../serve/gateway/worker-server.ts";
import { modelOptions, modelSettings, serverCommand, swapIn } from "./serving.ts";
import { setting, wholeFrom } from "./settings.ts";

const settings = {
  ...modelSettings,
  grpcPort: setting(
    "--grpc-port <number>",
    "port for gateways; 0 lets the system choose",
    wholeFrom(0).default(8001),
  ),
} as const;

export const workerCommand = (): Command =>
  serverCommand({
    name: "worker",
    summary: "Serve models to gateways over gRPC; HTTP is for health and metrics.",
    examples: [
      "worker --model reviews --host 0.0.0.0 --keys keys.json",
      "worker --port 0 --grpc-port 9001 --redis redis://localhost:6379",
    ],
    settings,
    async start(values, common) {
      const { host, grpcPort: port } = values;
      const worker = await startWorker({ ...common, ...modelOptions(values) }, { host, port });
      const { state, metrics, pool } = worker.serving;
      const grpc = `${host}:${worker.grpcPort}`;
      return {
        http: worker.http,
        state,
        metrics,
        controls: { swap: swapIn(pool) },
        told: { grpc },
        show: (url) => `Tesserae answers gateways on ${grpc}; health and metrics on ${url}`,
        close: () => worker.close(),
      };
    },
  });
