/** Brings an index up to date with its data: only what is new or changed is computed, what is gone is left out. */

import { mapAhead } from "../data/map-ahead.ts";
import type { BadRow } from "../data/text-file.ts";
import { ImageError } from "../errors.ts";
import { ImageDecoder } from "../vision/decode.ts";
import { hashOf, hashOfPicture, type IndexEntry } from "./index-entries.ts";
import { type IndexAbout, type IndexItem, isIndex, readIndex, writeIndex } from "./index-file.ts";
import type { PairEncoder } from "./pair-encoder.ts";

export interface UpdateOptions {
  /** Milliseconds between two times that what is done is kept. Default 30,000. */
  readonly saveEveryMs?: number;
  /** Told after each item. */
  readonly onItem?: (done: number) => void;
  /** Ends the work; what is done is kept. */
  readonly signal?: AbortSignal;
}

export interface UpdateReport {
  readonly items: number;
  /** Items whose vectors were computed now. */
  readonly computed: number;
  /** Items of the index before that are gone. */
  readonly removed: number;
  /** Pictures that cannot be read. */
  readonly badRows: readonly BadRow[];
}

/** Texts or pictures of a batch; the next ones are read meanwhile. */
const chunkSize = 32;

/**
 * Makes or updates the index of a folder; ended at any time, it goes on where it was last kept.
 * @throws ConfigError when the index is damaged, or what the encoder throws.
 */
export async function updateIndex(
  folder: string,
  about: IndexAbout,
  entries: readonly IndexEntry[],
  encoder: PairEncoder,
  { saveEveryMs = 30_000, onItem, signal }: UpdateOptions = {},
): Promise<UpdateReport> {
  const known = await KnownVectors.of(folder, about);
  const decoder = new ImageDecoder({ maxFrames: 1 }, encoder.preprocessor.plan.background);
  const items: IndexItem[] = [];
  const vectors: Float32Array[] = [];
  const badRows: BadRow[] = [];
  let computed = 0;
  let savedMs = performance.now();
  const save = (rest: readonly IndexItem[]): Promise<string> => {
    const all = [...vectors, ...rest.map(({ hash }) => known.of(hash)!)];
    return writeIndex(folder, { about, items: [...items, ...rest], ...joined(all) });
  };
  const encode = (chunk: readonly IndexEntry[]) => encodeChunk(chunk, { known, encoder, decoder });
  let done = 0;
  for await (const results of mapAhead(chunks(entries), encode, 2)) {
    for (const result of results) {
      done++;
      onItem?.(done);
      if ("reason" in result) badRows.push(result);
      else {
        items.push(result.item);
        vectors.push(result.vector);
        if (result.isNew) computed++;
      }
    }
    if (signal?.aborted) break;
    if (computed === 0 || performance.now() - savedMs < saveEveryMs) continue;
    await save(known.except(items));
    savedMs = performance.now();
  }
  const isStopped = done < entries.length;
  const gone = isStopped ? [] : known.except(items);
  const isSame = computed === 0 && known.isExactly(items);
  if (!isSame) await save(isStopped ? known.except(items) : []);
  return { items: items.length, computed, removed: gone.length, badRows };
}

interface Encoded {
  readonly item: IndexItem;
  readonly vector: Float32Array;
  readonly isNew: boolean;
}

interface Encoding {
  readonly known: KnownVectors;
  readonly encoder: PairEncoder;
  readonly decoder: ImageDecoder;
}

/** Results in the order of the entries. */
async function encodeChunk(
  entries: readonly IndexEntry[],
  encoding: Encoding,
): Promise<(Encoded | BadRow)[]> {
  const texts = entries.filter((entry) => "text" in entry);
  const found = await encodeTexts(texts, encoding);
  return Promise.all(
    entries.map((entry) => ("text" in entry ? found[texts.indexOf(entry)]! : encodePicture(entry, encoding))),
  );
}

async function encodeTexts(
  texts: readonly Extract<IndexEntry, { text: string }>[],
  { known, encoder }: Encoding,
): Promise<Encoded[]> {
  const items = texts.map(({ source, text }) => ({ source, text, hash: hashOf(text) }));
  const missing = items.filter(({ hash }) => !known.of(hash));
  const made = await encoder.texts(missing.map(({ text }) => text));
  return items.map((item) => {
    const vector = known.of(item.hash);
    return { item, vector: vector ?? made[missing.indexOf(item)]!, isNew: !vector };
  });
}

async function encodePicture(
  { source, example }: Extract<IndexEntry, { example: unknown }>,
  { known, encoder, decoder }: Encoding,
): Promise<Encoded | BadRow> {
  try {
    const loaded = await example.load();
    const item = { source, hash: hashOfPicture(loaded) };
    const vector = known.of(item.hash);
    if (vector) return { item, vector, isNew: false };
    const image = loaded instanceof Uint8Array ? await decoder.decode(loaded, source) : loaded;
    return { item, vector: await encoder.image(image), isNew: true };
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    const { file, line } = example.row ?? { file: source, line: 1 };
    return { file, line, reason: error.message, kind: `${error.problem} image` };
  }
}

function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += chunkSize) yield items.slice(start, start + chunkSize);
}

/** The vectors of the index as it was. */
class KnownVectors {
  private constructor(
    private readonly items: readonly IndexItem[],
    private readonly byHash: ReadonlyMap<string, Float32Array>,
  ) {}

  /** None where there is no index, or one of another model. */
  static async of(folder: string, { modelHash }: IndexAbout): Promise<KnownVectors> {
    if (!isIndex(folder)) return new KnownVectors([], new Map());
    const { about, items, vectors, width } = await readIndex(folder);
    if (about.modelHash !== modelHash) return new KnownVectors([], new Map());
    const rows = items.map(({ hash }, at) => [hash, vectors.subarray(at * width, (at + 1) * width)] as const);
    return new KnownVectors(items, new Map(rows));
  }

  of(hash: string): Float32Array | undefined {
    return this.byHash.get(hash);
  }

  /** Items that are not among `items`. */
  except(items: readonly IndexItem[]): IndexItem[] {
    const found = new Set(items.map(keyOf));
    return this.items.filter((item) => !found.has(keyOf(item)));
  }

  isExactly(items: readonly IndexItem[]): boolean {
    return (
      items.length === this.items.length && items.every((item, at) => keyOf(item) === keyOf(this.items[at]!))
    );
  }
}

const keyOf = ({ source, hash }: IndexItem): string => `${hash} ${source}`;

/** Rows as one array. */
function joined(rows: readonly Float32Array[]): { vectors: Float32Array; width: number } {
  const width = rows[0]?.length ?? 0;
  const vectors = new Float32Array(rows.length * width);
  for (const [at, row] of rows.entries()) vectors.set(row, at * width);
  return { vectors, width };
}
