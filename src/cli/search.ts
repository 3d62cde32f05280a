/** `tesserae search`: the items of an index nearest to a text or a picture. */

import { statSync } from "node:fs";
import { relative } from "node:path";
import type { Command } from "commander";
import { isImageName } from "../data/image-folder.ts";
import { RequestError } from "../errors.ts";
import { indexFolder } from "../retrieval/index-folder.ts";
import { type Found, RetrievalIndex, type SearchQuery } from "../retrieval/open-index.ts";
import { PairReranker } from "../retrieval/reranker.ts";
import { findModel } from "../tasks/find-model.ts";
import { openImageSource } from "../tasks/image-input.ts";
import { createCommand, runs, wholeNumber } from "./command.ts";
import { addDeviceOptions, type DeviceFlags, deviceOptions } from "./device-options.ts";

interface SearchFlags extends DeviceFlags {
  readonly image?: string;
  readonly topK: number;
  readonly rerank?: string;
}

export function searchCommand(): Command {
  const command = createCommand("search <index> [query]", "Find what is nearest to a text or a picture.", [
    'search photos "a red umbrella"',
    'search photos "a red umbrella" --rerank ./blip-itm --top-k 3 --json',
    "search photos umbrella.jpg",
    "search ./caption-index --image https://example.org/umbrella",
  ])
    .argument("<index>", "a name in the store, or a path with /")
    .argument("[query]", "a text, or a picture's file")
    .option("--image <picture>", "look for this file or address")
    .option("--top-k <number>", "how many to show", wholeNumber(1), 10)
    .option("--rerank <model>", "a BLIP that matches looks at the best 32 and orders them again");
  addDeviceOptions(command);
  return runs<SearchFlags, [string, string | undefined]>(
    command,
    async ({ options, output }, name, words) => {
      const query = queryOf(words, options.image);
      const found = await search(indexFolder(name), query, options);
      output.result({ query, found }, found.map(showFound).join("\n"));
      return 0;
    },
  );
}

/** @throws RequestError unless there is one question. */
function queryOf(words: string | undefined, image: string | undefined): SearchQuery & { image?: string } {
  if ((words === undefined) === (image === undefined))
    throw new RequestError("search: give a text or a picture, one of them");
  if (image !== undefined) return { image };
  const isPicture = isImageName(words!) && statSync(words!, { throwIfNoEntry: false })?.isFile() === true;
  return isPicture ? { image: words! } : { text: words! };
}

async function search(folder: string, query: SearchQuery, { topK, rerank, ...flags }: SearchFlags) {
  const session = deviceOptions(flags);
  const index = await RetrievalIndex.open(folder, { session, openImage: openImageSource });
  try {
    if (rerank === undefined) return await index.search(query, { topK });
    const reranker = await PairReranker.open(await findModel(rerank), index.about.data, session);
    try {
      return await index.search(query, { topK, reranker });
    } finally {
      await reranker.release();
    }
  } finally {
    await index.release();
  }
}

function showFound({ source, text, score, match }: Found): string {
  const shown = relative("", source);
  const place = shown.startsWith("..") ? source : shown;
  const scores = [score, ...(match === undefined ? [] : [match])].map((value) => value.toFixed(4)).join(" ");
  return `${scores}  ${place}${text === undefined ? "" : `  ${text}`}`;
}
