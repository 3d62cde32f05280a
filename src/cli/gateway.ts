/** `tesserae gateway`: HTTP in front of workers. */

import type { Command } from "commander";
import { discovery } from "../serve/gateway/discovery.ts";
import { buildGateway } from "../serve/gateway/gateway-server.ts";
import { createCommand, runs } from "./command.ts";
import { type AddressFlags, addAddressOptions, interrupted, listen, log } from "./serving.ts";

interface GatewayFlags extends AddressFlags {
  readonly workers: string[];
  readonly rules?: string;
}

export function gatewayCommand(): Command {
  const command = createCommand("gateway", "Route predictions to workers, and ask another when one fails.", [
    "gateway --workers 10.0.0.7:8001 10.0.0.8:8001",
    "gateway --workers dns:///tesserae-worker:8001 --rules rules.yaml",
  ]);
  addAddressOptions(command)
    .requiredOption(
      "--workers <address...>",
      "host:port of workers, or dns:///name:port for all addresses of a name",
    )
    .option("--rules <file>", "YAML or JSON: which models answer which requests; read again when it changes");
  return runs<GatewayFlags, []>(command, async ({ options, output }) => {
    const { workers, rules } = options;
    const gateway = await buildGateway({ discover: discovery(workers), rules, log });
    const url = await listen(gateway, options);
    output.result({ url, workers }, `Tesserae answers on ${url} for the workers ${workers.join(", ")}`);
    await interrupted(() => output.note("stopping: requests that have arrived are answered first"));
    await gateway.close();
    return 0;
  });
}
