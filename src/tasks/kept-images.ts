/** Decoded pictures of a data set; small sets are decoded once. */

import type { ImageExample } from "../data/images.ts";
import type { ImageDecoder } from "../vision/decode.ts";
import type { RgbImage } from "../vision/image.ts";

/** Bytes of decoded pictures that are kept. */
const maxKeptBytes = 2 ** 28;

/** Keeps the first pictures asked for, as many as fit; the others are decoded anew each time. */
export class KeptImages {
  private readonly kept = new Map<number, RgbImage>();
  private keptBytes = 0;

  /** `prepare` is what is done to each picture once, such as resizing it for evaluation. */
  constructor(
    private readonly examples: readonly ImageExample[],
    private readonly decoder: ImageDecoder,
    private readonly prepare: (image: RgbImage) => RgbImage = (image) => image,
  ) {}

  /** @throws ImageError naming the picture when it cannot be decoded. */
  async at(index: number): Promise<RgbImage> {
    const kept = this.kept.get(index);
    if (kept) return kept;
    const { source, load } = this.examples[index]!;
    const loaded = await load();
    if (!(loaded instanceof Uint8Array)) return this.prepare(loaded); // plain pixels are in memory already
    const image = this.prepare(await this.decoder.decode(loaded, source));
    if (this.keptBytes + image.data.length <= maxKeptBytes && !this.kept.has(index)) {
      this.kept.set(index, image);
      this.keptBytes += image.data.length;
    }
    return image;
  }
}
