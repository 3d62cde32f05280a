/** Files that `tesserae explain` draws. */

import { writeFile } from "node:fs/promises";
import { ConfigError, RequestError } from "../errors.ts";

/** @throws RequestError when pictures cannot be drawn in a file of that name. */
export function assertDrawable(path: string | undefined): void {
  if (path === undefined || /\.(png|html?)$/i.test(path)) return;
  throw new RequestError(`explain: --out must end in .png or .html, got ${path}`);
}

/** A drawing in both forms, of which the file's name asks for one. */
export interface Drawing {
  readonly png: () => Promise<Uint8Array>;
  readonly html: () => Promise<string>;
}

export const draw = async (path: string, { png, html }: Drawing): Promise<void> =>
  writeOut(path, /\.png$/i.test(path) ? await png() : await html());

/** @throws ConfigError when the file cannot be written. */
export async function writeOut(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(path, content).catch((cause: Error) => {
    throw new ConfigError(`${path}: cannot be written (${cause.message})`, { cause });
  });
}
