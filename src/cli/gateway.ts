/** `tesserae gateway`: HTTP in front of workers. */

import type { Command } from "commander";
import { discovery } from "../serve/gateway/discovery.ts";
import { buildGatewayServing } from "../serve/gateway/gateway-server.ts";
import { createCommand, runs } from "./command.ts";
import {
  addGrpcAt,
  beginTracing,
  commonOptions,
  grpcSetting,
  listen,
  rulesSetting,
  runUntilStopped,
  serverSettings,
  showAddresses,
  workerKeySetting,
} from "./serving.ts";
import { addSettings, list, readSettings, setting } from "./settings.ts";

const settings = {
  ...serverSettings,
  workers: setting(
    "--workers <address...>",
    "host:port of workers, or dns:///name:port for all addresses of a name",
    list,
  ),
  workerKey: workerKeySetting,
  rules: rulesSetting,
  grpcPort: grpcSetting,
} as const;

export function gatewayCommand(): Command {
  const command = createCommand("gateway", "Route predictions to workers, and ask another when one fails.", [
    "gateway --workers 10.0.0.7:8001 10.0.0.8:8001",
    "gateway --workers dns:///tesserae-worker:8001 --rules rules.yaml",
  ]);
  addSettings(command, settings);
  return runs<{ printConfig?: boolean }, []>(command, async ({ options, output }) => {
    const { values, shown, document } = await readSettings(command, settings);
    if (options.printConfig) {
      output.result(document, shown);
      return 0;
    }
    const { workers, workerKey } = values;
    const common = await commonOptions(values);
    const endTracing = await beginTracing(command, values);
    const gateway = await buildGatewayServing({
      ...common,
      discover: discovery(workers),
      rules: values.rules,
      workerKey,
    });
    const { http, state, metrics, rules } = gateway;
    const grpc = await addGrpcAt(gateway, values, common);
    const url = await listen(http, values);
    const told = `${showAddresses(url, grpc)} for the workers ${workers.join(", ")}`;
    output.result({ url, ...grpc, workers }, told);
    const close = async (): Promise<void> => {
      await http.close();
      common.guard.keys?.close();
      await endTracing();
    };
    const controls = rules ? { reloadRules: () => rules.reload() } : {};
    return runUntilStopped(values, { state, metrics, guard: common.guard, controls, close }, output);
  });
}
