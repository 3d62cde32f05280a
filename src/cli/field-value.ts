/** Options of the form `field=value` that may be repeated. */

import { InvalidArgumentError } from "commander";

/** `hidden_dropout_prob=0.3`, its value read as JSON where it is JSON, added to those before it. */
export function fieldValue(text: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
  const [, name, value] = /^(\w+(?:\.\w+)*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("It must be field=value.");
  try {
    return { ...fields, [name]: JSON.parse(value!) };
  } catch {
    return { ...fields, [name]: value };
  }
}
