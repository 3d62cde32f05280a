/** What `tesserae predict` asks a model that reads pictures, and where the pictures it makes go. */

import { statSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { isImageName } from "../data/image-folder.ts";
import { RequestError } from "../errors.ts";
import { isReconstruction } from "../tasks/masked-image.ts";
import type { PredictInput } from "./predict-inputs.ts";

/** Files and addresses as they are, folders as the pictures within. @throws RequestError when there are none. */
export async function imageInputs(args: readonly string[]): Promise<string[]> {
  const found = await Promise.all(args.map(picturesAt));
  const inputs = found.flat();
  if (inputs.length > 0) return inputs;
  throw new RequestError(
    args.length === 0
      ? "predict: give pictures: files, folders or addresses"
      : `${args.join(", ")}: holds no pictures`,
  );
}

async function picturesAt(path: string): Promise<string[]> {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith(".") && isImageName(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Writes a picture that a model made, `<name>-reconstructed.png`, and says where; other answers stay as they are. */
export async function keepPicture(answer: unknown, input: PredictInput, folder: string): Promise<unknown> {
  if (!isReconstruction(answer)) return answer;
  const path = String(input).replace(/[?#].*$/, "");
  const name = basename(path, extname(path)) || "picture";
  const file = join(folder, `${name}-reconstructed.png`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, answer.image);
  return { file, error: answer.error };
}
