import type sharp from "sharp";

let loaded: Promise<typeof sharp> | undefined;

/** sharp, loaded when the first picture comes: libvips takes 80 ms, which text models need not wait for. */
export function loadSharp(): Promise<typeof sharp> {
  loaded ??= import("sharp").then((module) => module.default);
  return loaded;
}
