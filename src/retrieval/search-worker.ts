/** Thread that holds the vectors of an index and compares them with a query. */

import { serveThread } from "../runtime/serve-thread.ts";
import { readIndex } from "./index-file.ts";
import { VectorSearch } from "./vector-search.ts";

/** What the thread answers. */
export async function createSearchApi(folder: string) {
  const { vectors, width, ...index } = await readIndex(folder);
  const search = new VectorSearch(vectors, width);
  return {
    describe: () => ({ ...index, width }),
    search: (query: Float32Array, count: number) => search.search(query, count),
  };
}

export type SearchApi = Awaited<ReturnType<typeof createSearchApi>>;

serveThread(createSearchApi);
