/** `tesserae keys`: who may ask a server. */

import { Command } from "commander";
import { ConfigError } from "../errors.ts";
import {
  type ApiKey,
  createKey,
  defaultKeyFile,
  keysOrNone,
  revokeKey,
  type Scope,
  scopes,
} from "../serve/access/key-file.ts";
import { createCommand, numberFrom, runs } from "./command.ts";
import { showTable } from "./format.ts";

interface FileFlag {
  readonly file: string;
}

interface CreateFlags extends FileFlag {
  readonly scope: string[];
  readonly rate?: number;
  readonly tokensPerMinute?: number;
}

export function keysCommand(): Command {
  return new Command("keys")
    .description("Make, list and revoke API keys.")
    .addCommand(createKeyCommand())
    .addCommand(listCommand())
    .addCommand(revokeCommand());
}

const withFile = (command: Command): Command =>
  command.option("--file <path>", "the file of keys; default: keys.json beside the models", defaultKeyFile());

function createKeyCommand(): Command {
  const command = createCommand("create <name>", "Make a key and show it, once.", [
    "keys create website",
    "keys create operator --scope admin metrics --file keys.json",
    "keys create trial --rate 2 --tokens-per-minute 10000",
  ]).argument("<name>", "who gets it");
  withFile(command)
    .option("--scope <scope...>", `what it allows: ${scopes.join(", ")}`, ["predict"])
    .option("--rate <requests>", "requests per second; default: any number", numberFrom(0.01))
    .option("--tokens-per-minute <tokens>", "estimated tokens; default: any number", numberFrom(1));
  return runs<CreateFlags, [string]>(command, async ({ options, output }, name) => {
    const { file, rate, tokensPerMinute } = options;
    const { key, text } = await createKey(file, name, options.scope.map(checkedScope), {
      ...(rate !== undefined && { requestsPerSecond: rate }),
      ...(tokensPerMinute !== undefined && { tokensPerMinute }),
    });
    output.note(`Key ${key.id} of ${name}; it is shown this once, ${file} keeps its hash alone.`);
    output.result({ ...shown(key), key: text }, text);
    return 0;
  });
}

function listCommand(): Command {
  const command = withFile(createCommand("list", "List the keys.", ["keys list"]));
  return runs<FileFlag, []>(command, async ({ options, output }) => {
    const keys = await keysOrNone(options.file);
    const rows = keys.map((key) => [
      key.id,
      key.name,
      key.scopes.join(" "),
      key.requestsPerSecond === undefined ? "" : `${key.requestsPerSecond}/s`,
      key.tokensPerMinute === undefined ? "" : `${key.tokensPerMinute}/min`,
      key.createdAt.slice(0, 10),
      key.revokedAt === undefined ? "" : `revoked ${key.revokedAt.slice(0, 10)}`,
    ]);
    const table = showTable(["ID", "NAME", "SCOPES", "REQUESTS", "TOKENS", "CREATED", ""], rows);
    output.result(
      keys.map(shown),
      rows.length > 0 ? table : 'No keys yet; "tesserae keys create NAME" makes one.',
    );
    return 0;
  });
}

function revokeCommand(): Command {
  const command = withFile(
    createCommand("revoke <id>", "Refuse a key from now on; running servers notice.", [
      "keys revoke 1a2b3c4d",
    ]),
  ).argument("<id>", "as `keys list` shows it");
  return runs<FileFlag, [string]>(command, async ({ options, output }, id) => {
    const key = await revokeKey(options.file, id);
    output.result(shown(key), `Key ${key.id} of ${key.name} is revoked.`);
    return 0;
  });
}

/** @throws ConfigError for another word. */
function checkedScope(text: string): Scope {
  const scope = scopes.find((each) => each === text);
  if (scope) return scope;
  throw new ConfigError(`--scope ${text}: must be one of ${scopes.join(", ")}`);
}

const shown = ({ hash: _, ...key }: ApiKey): Omit<ApiKey, "hash"> => key;
