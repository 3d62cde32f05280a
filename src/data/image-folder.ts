/** Pictures in folders named after their classes. */

import { readdir, readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { ImageExample, ImageSet } from "./images.ts";

export const imageExtensions = ["jpg", "jpeg", "png", "webp", "gif", "avif"];

export const isImageName = (name: string): boolean =>
  imageExtensions.includes(name.slice(name.lastIndexOf(".") + 1).toLowerCase());

/** `<root>/<class>/…/<picture>`, sorted by path; other files are passed over, and pictures in `root` have no class. */
export async function readImageFolder(root: string): Promise<ImageSet> {
  const entries = await readdir(root, { withFileTypes: true, recursive: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith(".") && isImageName(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return { examples: paths.map((path) => exampleAt(path, root)), badRows: [] };
}

function exampleAt(path: string, root: string): ImageExample {
  const folders = relative(root, path).split(sep);
  return { source: path, label: folders.length > 1 ? folders[0] : undefined, load: () => readFile(path) };
}
