/** Case of layouts: patches, windows and position tables, with their inverses. */

import { z } from "zod";
import { ConfigError, ShapeError } from "../errors.ts";
import { constant, input, type Node } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { transpose } from "../graph/ops/core.ts";
import {
  foldPixels,
  normalizePatches,
  patchify,
  softSplit,
  unfoldPixels,
  unpatchify,
} from "../nn/patches.ts";
import { sinusoids } from "../nn/positions.ts";
import { gridSinusoids } from "../nn/positions-grid.ts";
import {
  mergePatches,
  relativePositionIndex,
  shiftMap,
  shiftMask,
  windowPartition,
  windowReverse,
} from "../nn/windows.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import type { CaseRunner } from "./case.ts";

const count = z.number().int().positive();
const configSchema = z.object({
  patch_size: count,
  window_size: count,
  sincos_2d: z.object({ dim: count, grid: count }),
  t2t_sinusoid: z.object({ dim: count, positions: count }),
});

type Nodes = Readonly<Record<string, Node>>;

export const runPatchify: CaseRunner = async ({ name, config, inputs }) => {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) throw new ConfigError(`${name}: ${z.prettifyError(parsed.error)}`);
  const nodes = Object.fromEntries(
    [...inputs].map(([key, { dtype, shape }]) => [key, input(key, dtype, shape)]),
  );
  for (const key of ["image", "square_image", "feature_map"]) {
    if (nodes[key]?.rank !== 4)
      throw new ShapeError(`${name}: inputs.safetensors must have "${key}" of 4 axes`);
  }
  const { patch_size, window_size, sincos_2d, t2t_sinusoid } = parsed.data;
  const outputs = {
    ...patches(nodes, patch_size),
    ...windows(nodes.feature_map!, window_size),
    sincos_2d_position_embedding: constant(gridSinusoids(sincos_2d.dim, [sincos_2d.grid, sincos_2d.grid], 1)),
    t2t_sinusoid_position_embedding: sinusoids(t2t_sinusoid.positions, t2t_sinusoid.dim),
  };
  const graph = { inputs: Object.values(nodes), parameters: new Map<Node, string>(), outputs };
  const session = await OrtSession.open({ bytes: encodeOnnx(graph), name });
  try {
    return new Map(Object.entries(await session.run(Object.fromEntries(inputs))));
  } finally {
    await session.release();
  }
};

const sizesOf = (x: Node): [number, number] => [x.shape[2] as number, x.shape[3] as number];

function patches({ image, square_image: square }: Nodes, patchSize: number): Nodes {
  const ofVit = patchify(image!, patchSize, "channels-first");
  const ofMae = patchify(square!, patchSize, "channels-last");
  return {
    vit_patches: ofVit,
    vit_unpatchified: unpatchify(ofVit, sizesOf(image!), patchSize, "channels-first"),
    mae_patches: ofMae,
    mae_unpatchified: unpatchify(ofMae, sizesOf(square!), patchSize, "channels-last"),
    mae_normalised_patches: normalizePatches(ofMae),
    t2t_soft_split_k7_s4_p2: softSplit(square!, 7, { strides: 4, padding: 2 }),
  };
}

/** `map` is [1, H, W, C]; MobileViT's patches are 2 × 2. */
function windows(map: Node, windowSize: number): Nodes {
  const [, height, width] = map.shape as [number, number, number, number];
  const shift = Math.floor(windowSize / 2);
  const cut = windowPartition(map, windowSize);
  const unfolded = unfoldPixels(transpose(map, [0, 3, 1, 2]), 2);
  return {
    swin_windows: cut,
    swin_windows_reversed: windowReverse(cut, [height, width]),
    swin_shifted_windows: windowPartition(shiftMap(map, shift), windowSize),
    swin_shift_mask: constant(shiftMask([height, width], windowSize, shift)),
    swin_relative_position_index: constant(relativePositionIndex(windowSize)),
    swin_patch_merge_concat: mergePatches(map),
    mobilevit_unfolded: unfolded,
    mobilevit_folded: foldPixels(unfolded, [height, width], 2),
  };
}
