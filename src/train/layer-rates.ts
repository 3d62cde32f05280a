/**
 * Learning rates that fall from the head of a model to its embeddings.
 * Howard & Ruder 2018, https://arxiv.org/abs/1801.06146, in the form of BEiT and MAE.
 */

/** `encoder.layer.3`, or `encoder.layers.1.blocks.0` where stages have layers. */
const layerPattern = /^.*?\.\d+(?:\.[a-z_]+\.\d+)?(?=\.)/i;

/**
 * The factor of each parameter: 1 at the head, `decay` in the last layer, `decay`² in the layer before it and so on; what
 * comes before the layers is one level below the first. Names are in the order of the model's fields.
 */
export function layerFactors(names: readonly string[], decay: number): Map<string, number> {
  const levels = new Map<string, number>(); // of each layer, from 1
  const levelOf = (name: string): number => {
    const layer = layerPattern.exec(name)?.[0];
    if (layer === undefined) return levels.size === 0 ? 0 : Number.POSITIVE_INFINITY;
    if (!levels.has(layer)) levels.set(layer, levels.size + 1);
    return levels.get(layer)!;
  };
  const found = names.map((name) => [name, levelOf(name)] as const);
  const top = levels.size + 1;
  return new Map(found.map(([name, level]) => [name, decay ** (top - Math.min(level, top))]));
}
