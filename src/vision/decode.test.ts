import { readFile } from "node:fs/promises";
import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { damage, gifOf, imageVariants, pngOf } from "../../test/support/hostile-images.ts";
import { ImageError } from "../errors.ts";
import { Random } from "../tensor/random.ts";
import { ImageDecoder } from "./decode.ts";
import { PixelBudget } from "./pixel-budget.ts";

const [width, height] = [24, 16];
/** Smooth, so that lossy formats come close. */
const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
  const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
  return [x * 8 + 20, y * 12 + 10, x * 3 + y * 3 + 40][i % 3]!;
});
const raw = { raw: { width, height, channels: 3 } } as const;
const decoder = new ImageDecoder();

/** Largest difference of levels. */
const distance = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);

describe("decoding", async () => {
  const [jpeg, , , png, , deep, webp, , gif, avif] = await imageVariants(pixels, width, height);

  test.each([
    ["JPEG", jpeg!, 12],
    ["PNG", png!, 0],
    ["16-bit interlaced PNG", deep!, 0],
    ["WebP", webp!, 20],
    ["the first frame of GIF", gif!, 40],
    ["AVIF", avif!, 30],
  ])("reads %s", async (_, bytes, tolerance) => {
    const image = await decoder.decode(bytes);
    expect([image.width, image.height]).toEqual([width, height]);
    expect(distance(image.data, pixels)).toBeLessThanOrEqual(tolerance);
  });

  test("turns a picture as its EXIF orientation says", async () => {
    const png = await sharp(pixels, raw).withMetadata({ orientation: 6 }).png().toBuffer();
    const image = await decoder.decode(png);
    expect([image.width, image.height]).toEqual([height, width]);
    const upright = await sharp(pixels, raw).rotate(90).raw().toBuffer();
    expect(distance(image.data, upright)).toBe(0);
  });

  test("drops alpha, whatever it hides", async () => {
    const rgba = Buffer.alloc(8, 200);
    rgba[3] = 0;
    const png = await sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    expect([...(await decoder.decode(png)).data]).toEqual(Array(6).fill(200));
  });

  test("lays a transparent picture over a background that is named", async () => {
    const rgba = Buffer.from([200, 200, 200, 0, 200, 200, 200, 128]);
    const png = await sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    const { data } = await new ImageDecoder({}, [255, 0, 10]).decode(png);
    expect([...data.subarray(0, 3)]).toEqual([255, 0, 10]);
    expect(Math.abs(data[4]! - 100)).toBeLessThanOrEqual(1); // half of 200
  });

  test("repeats grey and takes the upper half of 16 bits", async () => {
    const grey = new Uint16Array([0, 0x1234, 0xffff]);
    const png = await sharp(grey, { raw: { width: 3, height: 1, channels: 1 } })
      .toColourspace("grey16")
      .png()
      .toBuffer();
    expect([...(await decoder.decode(png)).data]).toEqual([0, 0, 0, 0x12, 0x12, 0x12, 255, 255, 255]);
  });

  test("turns CMYK to RGB as Pillow does", async () => {
    const file = new URL("../../test/vision/pillow.json", import.meta.url);
    const { cmyk } = JSON.parse(await readFile(file, "utf8"));
    const image = await decoder.decode(Buffer.from(cmyk.jpeg, "base64"));
    expect([...image.data]).toEqual([...Buffer.from(cmyk.result.data, "base64")]);
  });

  test("goes by content, not by a name", async () => {
    expect((await decoder.decode(png!, "picture.jpg")).width).toBe(width);
  });
});

describe("images that are refused", () => {
  test.each([
    ["an empty file", new Uint8Array(), /x: is empty/],
    [
      "text",
      Buffer.from("hello"),
      /must be JPEG, PNG, WebP, GIF or AVIF, but starts with the bytes 68656c6c/,
    ],
    ["SVG", Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>"), /but starts with the bytes 3c737667/],
    [
      "a file that is too large",
      Buffer.concat([pngOf(1, 1, Buffer.alloc(0)), Buffer.alloc(2 ** 26)]),
      /at most 67108864 bytes/,
    ],
    [
      "a PNG that claims 3.6 gigapixels",
      pngOf(60_000, 60_000, deflateSync(Buffer.alloc(99))),
      /at most 50000000 pixels, got 60000 × 60000/,
    ],
    ["a PNG with too few pixels", pngOf(6000, 6000, deflateSync(Buffer.alloc(99))), /damaged or cut off/],
    ["a GIF of 2,000 frames", gifOf(2000), /at most 1000 frames, got 2000/],
  ])("%s", async (_, bytes, message) => {
    const refused = decoder.decode(bytes, "x");
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toBeInstanceOf(ImageError);
  });

  test("a compressed stream that is far longer than the picture costs no memory", async () => {
    const bomb = pngOf(10, 10, deflateSync(Buffer.alloc(5e7)));
    const before = process.memoryUsage().rss;
    await decoder.decode(bomb).catch(() => {});
    expect(process.memoryUsage().rss - before).toBeLessThan(3e7);
  });

  test("limits are the caller's", async () => {
    const small = new ImageDecoder({ maxPixels: 10 });
    await expect(small.decode(pngOf(4, 4, Buffer.alloc(0)))).rejects.toThrow(/at most 10 pixels, got 4 × 4/);
  });
});

test("400 damaged images in ten variants each give an ImageError or a picture of the right size", async () => {
  const variants = await imageVariants(pixels, width, height);
  const random = new Random(5);
  const results = await Promise.all(
    Array.from({ length: 400 }, async (_, i) => {
      const { bytes, description } = damage(variants[i % variants.length]!, random.fork(i));
      try {
        const image = await decoder.decode(bytes);
        expect(image.data.length, description).toBe(image.width * image.height * 3);
        return "decoded";
      } catch (error) {
        expect(error, description).toBeInstanceOf(ImageError);
        return "refused";
      }
    }),
  );
  for (const result of ["decoded", "refused"]) expect(results).toContain(result);
});

describe("a pixel budget", () => {
  test("never runs more work or more pixels than it may, and runs what is too large alone", async () => {
    const budget = new PixelBudget(3, 100);
    const random = new Random(1);
    const running: number[] = [];
    const order: number[] = [];
    const jobs = Array.from({ length: 60 }, (_, i) => {
      const pixels = i % 20 === 7 ? 150 : random.integer(60);
      return budget.run(pixels, async () => {
        running.push(pixels);
        order.push(i);
        const total = running.reduce((sum, value) => sum + value, 0);
        expect(running.length).toBeLessThanOrEqual(3);
        expect(total <= 100 || running.length === 1).toBe(true);
        await new Promise((resolve) => setTimeout(resolve, random.integer(3)));
        running.splice(running.indexOf(pixels), 1);
      });
    });
    await Promise.all(jobs);
    expect(order).toEqual(order.map((_, i) => i));
  });

  test("gives room back after an error", async () => {
    const budget = new PixelBudget(1, 1);
    const failed = budget.run(1, () => Promise.reject(new Error("lost")));
    const next = budget.run(1, async () => "done");
    await expect(failed).rejects.toThrow("lost");
    expect(await next).toBe("done");
  });
});
