import { ConfigError } from "../errors.ts";
import type { DType } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";

/**
 * Sinusoidal positions of a grid [S + rows · columns, D], S rows of zeros first: the first half of a vector tells
 * the column, the second the row, each as sines and then cosines of position / 10000^(4i/D). Chen et al. 2021 (MoCo v3),
 * https://arxiv.org/abs/2104.02057
 * @throws ConfigError unless 4 divides D.
 */
export function gridSinusoids(
  width: number,
  [rows, columns]: readonly [number, number],
  special: number,
  dtype: DType = "float32",
): Tensor {
  if (width % 4 !== 0)
    throw new ConfigError(`grid positions: the width must be a multiple of 4, got ${width}`);
  const table = Tensor.zeros(dtype, [special + rows * columns, width]);
  const quarter = width / 4;
  for (let cell = 0; cell < rows * columns; cell++) {
    const start = (special + cell) * width;
    const places = [cell % columns, Math.floor(cell / columns)];
    for (const [half, place] of places.entries()) {
      for (let i = 0; i < quarter; i++) {
        const angle = place / 10000 ** (i / quarter);
        table.data[start + 2 * half * quarter + i] = Math.sin(angle);
        table.data[start + (2 * half + 1) * quarter + i] = Math.cos(angle);
      }
    }
  }
  return table;
}
