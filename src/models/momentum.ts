/**
 * Momentum contrast: a second encoder that follows the trained one slowly, and queues of what it made of earlier
 * batches. He et al. 2020, https://arxiv.org/abs/1911.05722
 * B batch, E width of the features, Q length of a queue.
 */

import { ConfigError } from "../errors.ts";
import type { Node } from "../graph/node.ts";
import { add, dimValue, mul, sub } from "../graph/ops/core.ts";
import { gather } from "../graph/ops/indexing.ts";
import { minimum, mod, stopGradient } from "../graph/ops/math.ts";
import { cast, less, where } from "../graph/ops/select.ts";
import { iota, swapAxes, unsqueeze } from "../graph/ops/shape.ts";
import type { Context } from "../nn/context.ts";
import { type Init, mapParameters, parametersOf } from "../nn/module.ts";
import { Tensor } from "../tensor/tensor.ts";

/** A copy of a module that is not trained. */
export const momentumCopy = <T extends object>(init: Init, module: T): T =>
  mapParameters(module, (node) => init.copyOf(node));

/**
 * The copy after it has moved towards the module: each weight is momentum · its own + (1 − momentum) · the module's.
 * What it computes has no gradient in the module.
 */
export function followed<T extends object>(ctx: Context, copy: T, module: T, momentum: number): T {
  const trained = new Map([...parametersOf(module)].map(([node, name]) => [name, node]));
  const names = parametersOf(copy);
  return mapParameters(copy, (node) => {
    const target = stopGradient(trained.get(names.get(node)!)!);
    const moved = add(mul(node, momentum), mul(target, 1 - momentum));
    ctx.updates.set(node, moved);
    return moved;
  });
}

/** Features of earlier batches of images and texts, the oldest of which the newest replace. */
export class FeatureQueues {
  readonly images: Node;
  readonly texts: Node;
  /** Column that the next batch begins at, int64 [1]. */
  readonly pointer: Node;

  /** Columns begin as random vectors of about unit length. */
  constructor(init: Init, width: number, length: number) {
    const queue = (): Node => init.frozen().normal([width, length], width ** -0.5);
    this.images = queue();
    this.texts = queue();
    this.pointer = init.table(Tensor.zeros("int64", [1]));
  }

  /** Puts a batch's features [B, E] into both queues [E, Q]. @throws ConfigError unless B ≤ Q. */
  push(ctx: Context, features: { readonly images: Node; readonly texts: Node }): void {
    const [batch, room] = [features.images.shape[0]!, this.images.shape[1]!];
    if (typeof batch === "number" && batch > Number(room)) {
      throw new ConfigError(`queue_size must be at least the size of a batch, got ${room} and ${batch}`);
    }
    const length = dimValue("int64", this.images.shape[1]!);
    const count = dimValue("int64", features.images.shape[0]!);
    const ages = mod(add(sub(iota(this.images.shape[1]!), this.pointer), length), length);
    const isNew = unsqueeze(less(ages, count), 0);
    const rows = cast(minimum(cast(ages, "float32"), cast(sub(count, 1), "float32")), "int64");
    for (const kind of ["images", "texts"] as const) {
      const columns = swapAxes(gather(features[kind], rows), 0, 1);
      ctx.updates.set(this[kind], where(isNew, columns, this[kind]));
    }
    ctx.updates.set(this.pointer, mod(add(this.pointer, count), length));
  }
}
