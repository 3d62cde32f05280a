/** Fields of `--set` laid over a config; `vision_config.hidden_size` names a field of a section. */

import type { ConfigJson } from "../models/config.ts";

export function withFields(config: ConfigJson, fields: ConfigJson = {}): ConfigJson {
  return Object.entries(fields).reduce(
    (json, [path, value]) => withField(json, path.split("."), value),
    config,
  );
}

function withField(json: ConfigJson, [name, ...rest]: readonly string[], value: unknown): ConfigJson {
  if (rest.length === 0) return { ...json, [name!]: value };
  const section = json[name!];
  const fields = typeof section === "object" && section !== null ? (section as ConfigJson) : {};
  return { ...json, [name!]: withField(fields, rest, value) };
}
