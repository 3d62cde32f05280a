import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as affine from "./affine.ts";
import * as enhance from "./enhance.ts";
import { adjustHue } from "./hue.ts";
import { crop, flipHorizontally, type RgbImage, rgbImage } from "./image.ts";
import * as levels from "./level-ops.ts";
import { resampleNames, resize } from "./resample.ts";

interface Encoded {
  width: number;
  height: number;
  data: string;
}
interface Reference {
  sources: Record<string, Encoded>;
  resized: { source: string; filter: number; result: Encoded }[];
  changed: { name: string; args: unknown[]; result: Encoded }[];
}

const reference: Reference = JSON.parse(
  readFileSync(new URL("../../test/vision/pillow.json", import.meta.url), "utf8"),
);
const decoded = ({ width, height, data }: Encoded): RgbImage =>
  rgbImage({ width, height }, new Uint8Array(Buffer.from(data, "base64")));
const ops = { ...affine, ...enhance, ...levels, adjustHue } as Record<string, unknown>;

/** Small pictures of random bytes. */
const pictures = fc
  .record({ width: fc.integer({ min: 1, max: 12 }), height: fc.integer({ min: 1, max: 12 }) })
  .chain((size) =>
    fc
      .uint8Array({ minLength: size.width * size.height * 3, maxLength: size.width * size.height * 3 })
      .map((data) => rgbImage(size, data)),
  );
const filters = fc.constantFrom(...resampleNames);
const sizes = fc.record({ width: fc.integer({ min: 1, max: 20 }), height: fc.integer({ min: 1, max: 20 }) });

describe("pictures changed by Pillow", () => {
  test.each(reference.resized)(
    "resize of $source with filter $filter is the same",
    ({ source, filter, result }) => {
      const expected = decoded(result);
      expect(resize(decoded(reference.sources[source]!), expected, resampleNames[filter])).toEqual(expected);
    },
  );

  test.each(reference.changed)("$name $args is the same", ({ name, args, result }) => {
    const change = ops[name] as (image: RgbImage, ...args: unknown[]) => RgbImage;
    expect(change(decoded(reference.sources.picture!), ...args)).toEqual(decoded(result));
  });
});

describe("resize", () => {
  test("keeps a picture of its own size", () => {
    fc.assert(
      fc.property(pictures, filters, (image, filter) => {
        expect(resize(image, image, filter)).toEqual(image);
      }),
    );
  });

  test("keeps one colour", () => {
    fc.assert(
      fc.property(sizes, sizes, filters, fc.integer({ min: 0, max: 255 }), (from, to, filter, level) => {
        const image = rgbImage(from, new Uint8Array(from.width * from.height * 3).fill(level));
        expect(new Set(resize(image, to, filter).data)).toEqual(new Set([level]));
      }),
    );
  });

  test("of a region equals resizing the part cut out", () => {
    fc.assert(
      fc.property(pictures, sizes, filters, fc.nat(), fc.nat(), (image, size, filter, x, y) => {
        const [left, top] = [x % image.width, y % image.height];
        const region = { left, top, width: image.width - left, height: Math.ceil((image.height - top) / 2) };
        expect(resize(image, size, filter, region)).toEqual(resize(crop(image, region), size, filter));
      }),
    );
  });

  test("refuses an empty size", () => {
    expect(() => resize(rgbImage({ width: 2, height: 2 }), { width: 0, height: 1 })).toThrow(
      /positive integers, got 0 × 1/,
    );
  });
});

describe("pictures", () => {
  test("flipped twice are as before, and flipped once unless they are symmetric", () => {
    fc.assert(
      fc.property(pictures, (image) => {
        const flipped = flipHorizontally(image);
        expect(flipHorizontally(flipped)).toEqual(image);
        expect([...flipped.data.subarray(0, 3)]).toEqual([
          ...image.data.subarray(image.width * 3 - 3, image.width * 3),
        ]);
      }),
    );
  });

  test("are black where a crop lies outside", () => {
    const image = rgbImage({ width: 1, height: 1 }, new Uint8Array([9, 8, 7]));
    const cropped = crop(image, { left: -1, top: -1, width: 3, height: 2 });
    expect([...cropped.data]).toEqual([...Array(12).fill(0), 9, 8, 7, 0, 0, 0]);
    expect([...crop(image, { left: 5, top: 0, width: 1, height: 1 }).data]).toEqual([0, 0, 0]);
  });

  test("need three bytes a pixel", () => {
    expect(() => rgbImage({ width: 2, height: 1 }, new Uint8Array(3))).toThrow(
      /2 × 1: expected 6 bytes, got 3/,
    );
  });
});
