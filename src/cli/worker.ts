/** `tesserae worker`: models for gateways, over gRPC. */

import type { Command } from "commander";
import { startWorker } from "../serve/gateway/worker-server.ts";
import { createCommand, runs, wholeNumber } from "./command.ts";
import {
  type AddressFlags,
  addAddressOptions,
  addModelOptions,
  interrupted,
  listen,
  type ModelFlags,
  serverOptions,
} from "./serving.ts";

interface WorkerOptions extends AddressFlags, ModelFlags {
  readonly grpcPort: number;
}

const defaultGrpcPort = 8001;

export function workerCommand(): Command {
  const command = createCommand(
    "worker",
    "Serve models to gateways over gRPC; HTTP is for health and metrics.",
    [
      "worker --model reviews --host 0.0.0.0",
      "worker --port 0 --grpc-port 9001 --redis redis://localhost:6379",
    ],
  );
  addModelOptions(addAddressOptions(command)).option(
    "--grpc-port <number>",
    "port for gateways; 0 lets the system choose",
    wholeNumber(0),
    defaultGrpcPort,
  );
  return runs<WorkerOptions, []>(command, async ({ options, output }) => {
    const { host, grpcPort } = options;
    const worker = await startWorker(serverOptions(options), { host, port: grpcPort });
    const url = await listen(worker.http, options);
    const grpc = `${host}:${worker.grpcPort}`;
    output.result({ url, grpc }, `Tesserae answers gateways on ${grpc}; health and metrics on ${url}`);
    await interrupted(() => output.note("stopping: requests that have arrived are answered first"));
    await worker.close();
    return 0;
  });
}
