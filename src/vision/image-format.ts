/** Which image format bytes are, by their first bytes; a file's name says nothing. */

export type ImageFormat = "jpeg" | "png" | "webp" | "gif" | "avif";

const startsWith = (bytes: Uint8Array, signature: readonly number[]): boolean =>
  signature.every((value, at) => bytes[at] === value);

const textAt = (bytes: Uint8Array, start: number, length: number): string =>
  String.fromCharCode(...bytes.subarray(start, start + length));

/** The `ftyp` box at the start of an ISO media file: its brand and the compatible ones. */
function mediaBrands(bytes: Uint8Array): string[] {
  if (textAt(bytes, 4, 4) !== "ftyp") return [];
  const boxBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const end = Math.min(boxBytes, bytes.length, 256);
  return [8, ...range(16, end - 3, 4)].map((at) => textAt(bytes, at, 4));
}

const range = (start: number, end: number, step: number): number[] =>
  Array.from({ length: Math.max(0, Math.ceil((end - start) / step)) }, (_, i) => start + i * step);

/** The format, `undefined` where it is none that is read. */
export function imageFormatOf(bytes: Uint8Array): ImageFormat | undefined {
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return "jpeg";
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return "png";
  if (textAt(bytes, 0, 4) === "RIFF" && textAt(bytes, 8, 4) === "WEBP") return "webp";
  if (/^GIF8[79]a$/.test(textAt(bytes, 0, 6))) return "gif";
  return mediaBrands(bytes).some((brand) => brand === "avif" || brand === "avis") ? "avif" : undefined;
}
