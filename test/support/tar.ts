/** Tar archives in memory. */

function tarHeader(name: string, size: number, type = "0", prefix = ""): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  block.write(type, 156);
  block.write("ustar\u000000", 257);
  block.write(prefix, 345);
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** A file with its header. */
export const tarFile = (
  name: string,
  content: string | Uint8Array,
  type?: string,
  prefix?: string,
): Buffer => {
  const bytes = Buffer.from(content as Uint8Array);
  const padding = Buffer.alloc((512 - (bytes.length % 512)) % 512);
  return Buffer.concat([tarHeader(name, bytes.length, type, prefix), bytes, padding]);
};

/** An archive of such files. */
export const tarOf = (...files: readonly Buffer[]): Buffer => Buffer.concat([...files, Buffer.alloc(1024)]);
