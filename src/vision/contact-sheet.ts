/** Pictures in rows with a line of text under each, as one PNG file. */

import { encodePng } from "./encode.ts";
import type { RgbImage } from "./image.ts";
import { loadSharp } from "./sharp.ts";

export interface Tile {
  readonly image: RgbImage;
  readonly label: string;
}

/** Tiles under a heading. */
export interface TileGroup {
  readonly title: string;
  readonly tiles: readonly Tile[];
}

/** Pixels. */
const [gap, labelHeight, titleHeight, fontSize] = [12, 22, 34, 15];
/** Tiles of one row at most. */
const mostColumns = 6;

/** All images must have one size; `enlarge` repeats every pixel so many times along both axes, from 1. */
export async function drawSheet(groups: readonly TileGroup[], enlarge: number): Promise<Uint8Array> {
  const { width, height } = groups.flatMap(({ tiles }) => tiles)[0]!.image;
  const columns = Math.min(mostColumns, Math.max(...groups.map(({ tiles }) => tiles.length)));
  const columnWidth = width * enlarge + gap;
  const rowHeight = height * enlarge + labelHeight + gap;
  const parts: string[] = [];
  let top = gap;
  for (const { title, tiles } of groups) {
    parts.push(textAt(title, gap, top + titleHeight - gap, "bold"));
    top += titleHeight;
    for (const [at, tile] of tiles.entries()) {
      const x = gap + (at % columns) * columnWidth;
      parts.push(await drawTile(tile, x, top + Math.floor(at / columns) * rowHeight, enlarge));
    }
    top += Math.ceil(tiles.length / columns) * rowHeight;
  }
  return rasterise(parts, gap + columns * columnWidth, top);
}

async function drawTile({ image, label }: Tile, x: number, y: number, enlarge: number): Promise<string> {
  const [width, height] = [image.width * enlarge, image.height * enlarge];
  const data = Buffer.from(await encodePng(image, enlarge)).toString("base64");
  const picture = `<image x="${x}" y="${y}" width="${width}" height="${height}" href="data:image/png;base64,${data}"/>`;
  return picture + textAt(label, x, y + height + fontSize + 2, "normal");
}

const textAt = (text: string, x: number, y: number, weight: string): string =>
  `<text x="${x}" y="${y}" font-size="${fontSize}" font-weight="${weight}" font-family="sans-serif" fill="#1c2430">${escapeXml(text)}</text>`;

const escapeXml = (text: string): string => text.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);

async function rasterise(parts: readonly string[], width: number, height: number): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const ground = `<rect width="100%" height="100%" fill="#ffffff"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${ground}${parts.join("")}</svg>`;
  return sharp(Buffer.from(svg)).png().toBuffer();
}
