import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type AugmentOptions, augment, exampleRandom } from "./augment.ts";
import { colorJitter } from "./color-jitter.ts";
import { rgbImage } from "./image.ts";
import { mixBatch } from "./mixing.ts";
import { randAugment } from "./rand-augment.ts";
import { randomRegion } from "./random-crop.ts";
import { eraseRandomly } from "./random-erasing.ts";

const image = rgbImage(
  { width: 20, height: 14 },
  Uint8Array.from({ length: 20 * 14 * 3 }, (_, i) => (i * 37 + (i % 3) * 50) % 256),
);
const everything: AugmentOptions = {
  size: { width: 12, height: 10 },
  colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
  randAugment: {},
};
const mean = (values: Iterable<number>): number => {
  const all = [...values];
  return all.reduce((sum, value) => sum + value, 0) / all.length;
};
const repeat = <T>(count: number, make: (random: Random) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(new Random(i)));

describe("augmentation", () => {
  test("depends on seed, epoch and example alone, whatever the order", () => {
    const one = (epoch: number, index: number): Uint8Array =>
      augment(image, everything, exampleRandom(3, epoch, index)).data;
    const forwards = [0, 1, 2, 3].map((index) => one(1, index));
    const backwards = [3, 2, 1, 0].map((index) => one(1, index)).reverse();
    expect(forwards).toEqual(backwards);
    expect(one(2, 0)).not.toEqual(forwards[0]);
    expect(forwards[1]).not.toEqual(forwards[0]);
  });

  test("keeps the crop and the flip when another step is turned off", () => {
    const { randAugment: _, colorJitter: __, ...plain } = everything;
    const still = { ...everything, randAugment: { numLayers: 0 }, colorJitter: {} };
    for (let index = 0; index < 8; index++) {
      const random = exampleRandom(0, 0, index);
      expect(augment(image, still, random)).toEqual(augment(image, plain, random));
    }
  });

  test("flips as often as it is asked to", () => {
    const crop = { scale: [1, 1], ratio: [20 / 14, 20 / 14] } as const;
    const flips = (flipProbability: number): number =>
      mean(
        repeat(400, (random) => {
          const result = augment(image, { size: image, crop, flipProbability }, random);
          return result.data[0] === image.data[0] ? 0 : 1;
        }),
      );
    expect(flips(0)).toBe(0);
    expect(flips(1)).toBe(1);
    expect(Math.abs(flips(0.5) - 0.5)).toBeLessThan(0.1);
  });
});

describe("a random region", () => {
  test("lies inside, with an area and a ratio that are allowed up to rounding", () => {
    const sides = fc.integer({ min: 1, max: 300 });
    fc.assert(
      fc.property(sides, sides, fc.nat(), (width, height, seed) => {
        const region = randomRegion({ width, height }, {}, new Random(seed));
        expect(region.left >= 0 && region.top >= 0 && region.width > 0 && region.height > 0).toBe(true);
        expect(region.left + region.width).toBeLessThanOrEqual(width);
        expect(region.top + region.height).toBeLessThanOrEqual(height);
        const widest = (region.width - 0.5) / (region.height + 0.5);
        expect(widest).toBeLessThanOrEqual(4 / 3);
      }),
    );
  });

  test("has the mean area of its range", () => {
    const areas = repeat(2000, (random) => {
      const { width, height } = randomRegion({ width: 100, height: 100 }, { scale: [0.2, 0.6] }, random);
      return (width * height) / 10_000;
    });
    expect(Math.abs(mean(areas) - 0.4)).toBeLessThan(0.01);
  });

  test("is the largest middle part where no draw fits", () => {
    const region = randomRegion({ width: 400, height: 10 }, { scale: [1, 1] }, new Random(0));
    expect(region).toEqual({ left: 193, top: 0, width: 13, height: 10 });
  });
});

describe("RandAugment", () => {
  test("leaves about a quarter of the pictures as they are and changes the others", () => {
    const unchanged = repeat(400, (random) => (randAugment(image, {}, random) === image ? 1 : 0));
    expect(Math.abs(mean(unchanged) - 0.25)).toBeLessThan(0.07);
  });

  test("fills what is uncovered with the colour it is given", () => {
    const white = rgbImage({ width: 16, height: 16 }, new Uint8Array(16 * 16 * 3).fill(255));
    const found = repeat(200, (random) => randAugment(white, { fill: [1, 2, 3], numLayers: 1 }, random).data);
    expect(found.some((data) => data.includes(1) && data.includes(2) && data.includes(3))).toBe(true);
  });

  test("at strength 0 only changes what has no strength", () => {
    const flat = rgbImage({ width: 4, height: 4 }, new Uint8Array(48).fill(240));
    const results = repeat(300, (random) =>
      randAugment(flat, { magnitude: 0, magnitudeStd: 0, numLayers: 1 }, random),
    );
    const levels = new Set(results.flatMap(({ data }) => [...data]));
    expect(levels).toEqual(new Set([240, 15])); // 15: inverted
  });
});

test("colour jitter of no strength changes nothing, and of some strength does", () => {
  expect(colorJitter(image, {}, new Random(1))).toBe(image);
  expect(colorJitter(image, { hue: 0.5 }, new Random(1)).data).not.toEqual(image.data);
});

describe("random erasing", () => {
  const size = { width: 32, height: 24 };
  const erased = (random: Random, options = {}): Float32Array => {
    const pixels = new Float32Array(3 * 32 * 24).fill(7);
    eraseRandomly(pixels, size, options, random);
    return pixels;
  };

  test("happens as often as it is asked to", () => {
    const share = mean(
      repeat(400, (random) => (erased(random, { probability: 0.3 }).every((x) => x === 7) ? 0 : 1)),
    );
    expect(Math.abs(share - 0.3)).toBeLessThan(0.08);
    expect(erased(new Random(0), { probability: 0 }).every((value) => value === 7)).toBe(true);
  });

  test("takes one rectangle of an allowed area from every channel", () => {
    for (const pixels of repeat(50, (random) => erased(random, { probability: 1, fill: "zero" }))) {
      const places = [...pixels].flatMap((value, i) => (value === 0 ? [i] : []));
      const [red, green] = [0, 1].map((c) =>
        places.filter((i) => Math.floor(i / 768) === c).map((i) => i % 768),
      );
      expect(green).toEqual(red);
      const xs = red!.map((i) => i % 32);
      const ys = red!.map((i) => Math.floor(i / 32));
      const box = (Math.max(...xs) - Math.min(...xs) + 1) * (Math.max(...ys) - Math.min(...ys) + 1);
      expect(red!.length).toBe(box);
      expect(box / 768).toBeGreaterThan(0.01);
      expect(box / 768).toBeLessThan(0.37);
    }
  });

  test("fills with noise of mean 0 and variance 1", () => {
    const values = repeat(40, (random) =>
      [...erased(random, { probability: 1 })].filter((value) => value !== 7),
    ).flat();
    expect(Math.abs(mean(values))).toBeLessThan(0.05);
    expect(Math.abs(mean(values.map((value) => value ** 2)) - 1)).toBeLessThan(0.05);
  });
});

describe("mixing a batch", () => {
  const labels = [0, 1, 2, 1];
  /** Picture i is i everywhere. */
  const pixels = new Tensor(
    "float32",
    [4, 2, 8, 6],
    Float32Array.from({ length: 384 }, (_, i) => Math.floor(i / 96)),
  );
  const row = (targets: Tensor, i: number): number[] => targets.toNumbers().slice(i * 3, i * 3 + 3);

  test("by Mixup mixes pixels and targets in the same shares", () => {
    const mixed = mixBatch(pixels, labels, 3, { cutmixAlpha: 0, labelSmoothing: 0 }, new Random(2));
    const share = row(mixed.targets, 0)[0]!; // of class 0, whose partner is of class 1
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThan(1);
    expect(mixed.pixels.data[0]).toBeCloseTo((1 - share) * 3, 5);
    expect(mixed.pixels.data[96]).toBeCloseTo(share * 1 + (1 - share) * 2, 5);
    expect(row(mixed.targets, 0)[1]).toBeCloseTo(1 - share, 6);
  });

  test("by CutMix pastes one rectangle whose area the targets count", () => {
    for (const random of repeat(30, (own) => own)) {
      const mixed = mixBatch(pixels, labels, 3, { mixupAlpha: 0, labelSmoothing: 0 }, random);
      const first = mixed.pixels.toNumbers().slice(0, 48);
      expect(new Set(first).size).toBeLessThanOrEqual(2);
      const pasted = first.filter((value) => value === 3).length / 48;
      expect(row(mixed.targets, 0)[0]).toBeCloseTo(1 - pasted, 6);
      expect(mixed.pixels.toNumbers().slice(48, 96)).toEqual(first); // the other channel
    }
  });

  test("keeps every row of the targets at a sum of 1 and at least the smoothing", () => {
    fc.assert(
      fc.property(fc.nat(), fc.double({ min: 0, max: 0.9, noNaN: true }), (seed, labelSmoothing) => {
        const { targets } = mixBatch(pixels, labels, 3, { labelSmoothing }, new Random(seed));
        for (let i = 0; i < 4; i++) {
          expect(row(targets, i).reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
          expect(Math.min(...row(targets, i))).toBeGreaterThanOrEqual(labelSmoothing / 3 - 1e-6);
        }
      }),
    );
  });

  test("draws λ from Beta(α, α)", () => {
    for (const alpha of [0.2, 1, 4]) {
      const shares = repeat(3000, (random) => {
        const options = { mixupAlpha: alpha, cutmixAlpha: 0, labelSmoothing: 0 };
        return row(mixBatch(pixels, labels, 3, options, random).targets, 0)[0]!;
      });
      const center = mean(shares);
      expect(Math.abs(center - 0.5)).toBeLessThan(0.03);
      const variance = mean(shares.map((share) => (share - center) ** 2));
      expect(Math.abs(variance - 1 / (4 * (2 * alpha + 1)))).toBeLessThan(0.01);
    }
  });

  test("leaves the pixels alone with probability 0", () => {
    const mixed = mixBatch(pixels, labels, 3, { probability: 0 }, new Random(0));
    expect(mixed.pixels).toBe(pixels);
    expect(row(mixed.targets, 2)[2]).toBeCloseTo(0.9 + 0.1 / 3, 6);
  });

  test("refuses labels that are no classes, and other shapes", () => {
    expect(() => mixBatch(pixels, [0, 1, 2, 3], 3, {}, new Random(0))).toThrow(/classes from 0 to 2, got 3/);
    expect(() => mixBatch(pixels, [0], 3, {}, new Random(0))).toThrow(/expected float32 \[1, C, H, W\]/);
  });
});
