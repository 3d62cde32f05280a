/** Gradients of convolutions that are cheaper than as convolutions. B batch, C channels in, O channels out, P places. */

import { productOf, type Shape } from "../../tensor/dims.ts";
import type { Node } from "../node.ts";
import { reshape, sum } from "./core.ts";
import { matmul } from "./matmul.ts";
import { concat, padAxis, slice } from "./shape.ts";
import { spatialSizes, type Windows } from "./windows.ts";

/** Gradients of y[b, o, p] = Σ w[o, c] x[b, c, p] for x and w, as matrix products. */
export function pointwiseGradients(x: Node, weight: Node, dy: Node): [Node, Node] {
  const flat = (image: Node): Node =>
    reshape(image, [...image.shape.slice(0, 2), productOf(image.shape.slice(2))]);
  const matrix = reshape(weight, weight.shape.slice(0, 2));
  const dx = matmul(matrix, flat(dy), { transA: true });
  const dWeight = sum(matmul(flat(dy), flat(x), { transB: true }), 0);
  return [reshape(dx, x.shape), reshape(dWeight, weight.shape)];
}

/**
 * dw[c, k] = Σ over b, p of dy[b, c, p] x[b, c, p·stride + k·dilation], where each channel has a kernel of its own: for
 * each k, inner products of dy with the part of x that k meets. dy [B, C, ...P], weight [C, 1, ...K].
 */
export function channelKernelGradient(x: Node, dy: Node, weight: Shape, windows: Windows): Node {
  const { strides, dilations, padding } = windows;
  const [batch, channels] = dy.shape;
  const counts = spatialSizes("conv", dy.shape);
  const rows = (image: Node): Node => reshape(image, [batch!, channels!, 1, productOf(counts)]);
  const padded = padding.reduce((image, [before, after], axis) => padAxis(image, axis + 2, before, after), x);
  const met = (place: readonly number[]): Node =>
    place.reduce((image, at, axis) => {
      const start = at * dilations[axis]!;
      const end = start + strides[axis]! * (counts[axis]! - 1) + 1;
      return slice(image, axis + 2, start, end, strides[axis]!);
    }, padded);
  const dyRows = rows(dy);
  const places = placesOf(spatialSizes("conv", weight));
  const products = places.map((place) => matmul(dyRows, rows(met(place)), { transB: true }));
  return reshape(sum(concat(products, 3), 0), weight);
}

/** All positions in a window, row-major. */
const placesOf = (kernel: readonly number[]): number[][] =>
  kernel.reduce<number[][]>(
    (places, size) => places.flatMap((place) => Array.from({ length: size }, (_, at) => [...place, at])),
    [[]],
  );
