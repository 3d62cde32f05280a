/** `tesserae serve`: models over HTTP, with a page to try them. */

import type { Command } from "commander";
import { buildServer } from "../serve/server.ts";
import { createCommand, runs } from "./command.ts";
import {
  type AddressFlags,
  addAddressOptions,
  addModelOptions,
  interrupted,
  listen,
  type ModelFlags,
  serverOptions,
} from "./serving.ts";

interface ServeOptions extends AddressFlags, ModelFlags {
  readonly rules?: string;
}

export function serveCommand(): Command {
  const command = createCommand("serve", "Answer predictions over HTTP; the page at / tries them.", [
    "serve",
    "serve --model reviews@2 --model ./my-model --port 9000",
  ]);
  addModelOptions(addAddressOptions(command)).option(
    "--rules <file>",
    "YAML or JSON: which models answer which requests; read again when it changes",
  );
  return runs<ServeOptions, []>(command, async ({ options, output }) => {
    const server = await buildServer({ ...serverOptions(options), rules: options.rules });
    const url = await listen(server, options);
    output.result({ url }, `Tesserae answers on ${url}`);
    await interrupted(() => output.note("stopping: requests that have arrived are answered first"));
    await server.close();
    return 0;
  });
}
