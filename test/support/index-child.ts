/** Writes an index again and again until it is killed. Argument: its folder. */

import { writeIndex } from "../../src/retrieval/index-file.ts";

const [folder] = process.argv.slice(2) as [string];
const about = { model: "none", modelHash: "none", data: "none" };
const width = 64;
for (let count = 1; ; count++) {
  const rows = 500 + (count % 500);
  const items = Array.from({ length: rows }, (_, at) => ({ source: `${at}`, hash: `${count}` }));
  await writeIndex(folder, {
    about,
    items,
    vectors: new Float32Array(rows * width).fill(count % 1000),
    width,
  });
  console.log(count);
}
