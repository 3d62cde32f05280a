/** `tesserae gateway`: HTTP in front of workers. */

import type { Command } from "commander";
import { discovery } from "../serve/gateway/discovery.ts";
import { buildGatewayServing } from "../serve/gateway/gateway-server.ts";
import {
  addGrpcAt,
  grpcSetting,
  rulesSetting,
  serverCommand,
  showAddresses,
  workerKeySetting,
} from "./serving.ts";
import { list, setting } from "./settings.ts";

const settings = {
  workers: setting(
    "--workers <address...>",
    "host:port of workers, or dns:///name:port for all addresses of a name",
    list,
  ),
  workerKey: workerKeySetting,
  rules: rulesSetting,
  grpcPort: grpcSetting,
} as const;

export const gatewayCommand = (): Command =>
  serverCommand({
    name: "gateway",
    summary: "Route predictions to workers, and ask another when one fails.",
    examples: [
      "gateway --workers 10.0.0.7:8001 10.0.0.8:8001",
      "gateway --workers dns:///tesserae-worker:8001 --rules rules.yaml",
    ],
    settings,
    async start(values, common) {
      const { workers, workerKey, rules: rulesFile } = values;
      const gateway = await buildGatewayServing({
        ...common,
        discover: discovery(workers),
        rules: rulesFile,
        workerKey,
      });
      const { http, state, metrics, rules } = gateway;
      const grpc = await addGrpcAt(gateway, values, common);
      return {
        http,
        state,
        metrics,
        controls: rules ? { reloadRules: () => rules.reload() } : {},
        told: { ...grpc, workers },
        show: (url) => `${showAddresses(url, grpc)} for the workers ${workers.join(", ")}`,
        close: () => http.close(),
      };
    },
  });
