/** `tesserae serve`: models over HTTP, with a page to try them. */

import type { Command } from "commander";
import { indexFolder } from "../retrieval/index-folder.ts";
import { buildServing } from "../serve/server.ts";
import {
  addGrpcAt,
  grpcSetting,
  modelOptions,
  modelSettings,
  rulesSetting,
  serverCommand,
  showAddresses,
  swapIn,
} from "./serving.ts";
import { list, setting, text } from "./settings.ts";

const settings = {
  ...modelSettings,
  index: setting(
    "--index <name...>",
    "indexes to search in: names in the store, or paths with /",
    list.default([]),
  ),
  rerank: setting(
    "--rerank <model>",
    "a BLIP that looks closer at what searches find, on request; default: the index's own model, where it matches",
    text.optional(),
  ),
  rules: rulesSetting,
  grpcPort: grpcSetting,
} as const;

export const serveCommand = (): Command =>
  serverCommand({
    name: "serve",
    summary: "Answer predictions over HTTP; the page at / tries them.",
    examples: [
      "serve",
      "serve --model reviews@2 --model ./my-model --port 9000",
      "serve --index photos --rerank ./blip-itm",
      "serve --config serve.yaml --print-config",
      "serve --host 0.0.0.0 --keys ~/.tesserae/keys.json --admin-port 8081",
    ],
    settings,
    async start(values, common) {
      const indexes = values.index.map(indexFolder);
      const serving = await buildServing({
        ...common,
        ...modelOptions(values),
        indexes,
        matcher: values.rerank,
        rules: values.rules,
      });
      const { http, state, metrics, pool, rules } = serving;
      const told = await addGrpcAt(serving, values, common);
      return {
        http,
        state,
        metrics,
        controls: { swap: swapIn(pool), ...(rules && { reloadRules: () => rules.reload() }) },
        told,
        show: (url) => showAddresses(url, told),
        close: () => http.close(),
      };
    },
  });
