/** `tesserae serve`: models over HTTP, with a page to try them. */

import type { Command } from "commander";
import { indexFolder } from "../retrieval/index-folder.ts";
import { buildServing } from "../serve/server.ts";
import { createCommand, runs } from "./command.ts";
import {
  addGrpcAt,
  beginTracing,
  commonOptions,
  grpcSetting,
  listen,
  modelOptions,
  modelSettings,
  rulesSetting,
  runUntilStopped,
  serverSettings,
  showAddresses,
} from "./serving.ts";
import { addSettings, list, readSettings, setting } from "./settings.ts";

const settings = {
  ...serverSettings,
  ...modelSettings,
  index: setting(
    "--index <name...>",
    "indexes to search in: names in the store, or paths with /",
    list.default([]),
  ),
  rules: rulesSetting,
  grpcPort: grpcSetting,
} as const;

export function serveCommand(): Command {
  const command = createCommand("serve", "Answer predictions over HTTP; the page at / tries them.", [
    "serve",
    "serve --model reviews@2 --model ./my-model --port 9000",
    "serve --index photos",
    "serve --config serve.yaml --print-config",
    "serve --host 0.0.0.0 --keys ~/.tesserae/keys.json --admin-port 8081",
  ]);
  addSettings(command, settings);
  return runs<{ printConfig?: boolean }, []>(command, async ({ options, output }) => {
    const { values, shown, document } = await readSettings(command, settings);
    if (options.printConfig) {
      output.result(document, shown);
      return 0;
    }
    const common = await commonOptions(values);
    const endTracing = await beginTracing(command, values);
    const indexes = values.index.map(indexFolder);
    const serving = await buildServing({ ...common, ...modelOptions(values), indexes, rules: values.rules });
    const { http, state, metrics, pool, rules } = serving;
    const grpc = await addGrpcAt(serving, values, common);
    const url = await listen(http, values);
    output.result({ url, ...grpc }, showAddresses(url, grpc));
    const controls = {
      swap: async (name: string, ref: string | undefined) => (await pool.swap(name, ref)).model.ref,
      ...(rules && { reloadRules: () => rules.reload() }),
    };
    const close = async (): Promise<void> => {
      await http.close();
      common.guard.keys?.close();
      await endTracing();
    };
    return runUntilStopped(values, { state, metrics, guard: common.guard, controls, close }, output);
  });
}
