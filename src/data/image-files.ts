/** Which files a path of pictures stands for. */

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { labelsBeside } from "./idx.ts";
import { isParquet } from "./parquet.ts";
import { isShard } from "./webdataset.ts";

/** A file with the labels beside it, or a folder's shards and Parquet files; none for a folder of single pictures. */
export async function imageFilesAt(path: string): Promise<string[]> {
  if ((await stat(path)).isDirectory()) {
    const names = (await readdir(path)).filter((name) => isShard(name) || isParquet(name)).sort();
    return names.map((name) => join(path, name));
  }
  const labels = labelsBeside(path);
  return labels === undefined ? [path] : [path, labels];
}
