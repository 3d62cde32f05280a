/** A module is a plain class whose fields are parameters, modules or arrays of them. Names come from field paths. */

import { type Initialiser, isParameter, Node, parameter, parameterAttrs } from "../graph/node.ts";
import type { DType } from "../tensor/dtype.ts";
import { arrayOf } from "../tensor/dtype.ts";
import { deriveKey, Random } from "../tensor/random.ts";
import { sizeOf, Tensor } from "../tensor/tensor.ts";

/**
 * Every parameter of a module with its name, `encoder.layers.0.attention.query.weight`, in field order. A parameter
 * that two fields share has the name of the first.
 */
export function parametersOf(module: object): Map<Node, string> {
  const found = new Map<Node, string>();
  collect(module, "", found);
  return found;
}

function collect(value: unknown, path: string, found: Map<Node, string>): void {
  if (value instanceof Node) {
    if (isParameter(value) && !found.has(value)) found.set(value, path);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, field] of Object.entries(value)) collect(field, path ? `${path}.${key}` : key, found);
  }
}

/** A module like the given one, with other nodes in place of its parameters. One that is shared is replaced once. */
export function mapParameters<T extends object>(module: T, replace: (node: Node) => Node): T {
  const known = new Map<Node, Node>();
  const replaced = (node: Node): Node => {
    if (!isParameter(node)) return node;
    if (!known.has(node)) known.set(node, replace(node));
    return known.get(node)!;
  };
  const mapped = (value: unknown): unknown => {
    if (value instanceof Node) return replaced(value);
    if (Array.isArray(value)) return value.map(mapped);
    return typeof value === "object" && value !== null ? mapFields(value, mapped) : value;
  };
  return mapFields(module, mapped);
}

function mapFields<T extends object>(value: T, mapped: (field: unknown) => unknown): T {
  const entries = Object.entries(value).map(([key, field]) => [key, mapped(field)]);
  return Object.assign(Object.create(Object.getPrototypeOf(value)), Object.fromEntries(entries));
}

/** Number of weights in a module, tied ones counted once, untrained state not counted. */
export const countParameters = (module: object): number =>
  [...parametersOf(module).keys()]
    .filter((node) => parameterAttrs(node).isTrainable)
    .reduce((total, node) => total + sizeOf(node.shape as number[]), 0);

/** Makes parameters of one dtype; given to every module's constructor. */
export class Init {
  /**
   * `std`: standard deviation of `normal` where a layer names none; `rateFactor`: multiple of the learning rate;
   * `isTrainable`: false for weights that no optimizer moves.
   */
  constructor(
    readonly std = 0.02,
    readonly dtype: DType = "float32",
    private readonly rateFactor = 1,
    private readonly isTrainable = true,
  ) {}

  /** Makes parameters that learn at a multiple of the learning rate. */
  learningAt(rateFactor: number): Init {
    return new Init(this.std, this.dtype, rateFactor, this.isTrainable);
  }

  /** Makes parameters with another standard deviation of `normal`. */
  withStd(std: number): Init {
    return new Init(std, this.dtype, this.rateFactor, this.isTrainable);
  }

  /** Makes parameters that stay as they are loaded. */
  frozen(): Init {
    return new Init(this.std, this.dtype, this.rateFactor, false);
  }

  private make(shape: readonly number[], init: Initialiser): Node {
    return parameter(shape, init, this.dtype, this.isTrainable, this.rateFactor);
  }

  normal(shape: readonly number[], std = this.std): Node {
    return this.make(shape, { kind: "normal", std });
  }

  zeros(shape: readonly number[]): Node {
    return this.make(shape, { kind: "constant", value: 0 });
  }

  ones(shape: readonly number[]): Node {
    return this.make(shape, { kind: "constant", value: 1 });
  }

  filled(shape: readonly number[], value: number): Node {
    return this.make(shape, { kind: "constant", value });
  }

  uniform(shape: readonly number[], bound: number): Node {
    return this.make(shape, { kind: "uniform", bound });
  }

  truncatedNormal(shape: readonly number[], std = this.std): Node {
    return this.make(shape, { kind: "truncated-normal", std });
  }

  /** Uniform with variance 2 / (fan in + fan out). Glorot & Bengio 2010. */
  xavier(shape: readonly [number, number]): Node {
    return this.uniform(shape, Math.sqrt(6 / (shape[0] + shape[1])));
  }

  /** State that begins as a copy of a parameter and is not trained, such as a momentum encoder's weights. */
  copyOf(node: Node): Node {
    return parameter(node.shape, { kind: "copy", of: node }, node.dtype, false);
  }

  /** State that is kept with the weights but not trained. */
  state(shape: readonly number[], value: number): Node {
    return parameter(shape, { kind: "constant", value }, this.dtype, false);
  }

  /** A given table that is kept with the weights but not trained. */
  table(tensor: Tensor): Node {
    return parameter(tensor.shape, { kind: "table", tensor }, tensor.dtype, false);
  }

  /** A whole number that is kept with the weights but not trained. */
  counter(): Node {
    return parameter([], { kind: "constant", value: 0 }, "int64", false);
  }
}

/**
 * First values of a parameter: they depend on the seed and its name only. A copy has those that its source has under
 * that name.
 */
export function initialValue(node: Node, name: string, seed: number): Tensor {
  const { init } = parameterAttrs(node);
  const shape = node.shape as number[];
  if (init.kind === "table") return init.tensor;
  if (init.kind === "copy") return initialValue(init.of, name, seed);
  if (init.kind === "constant") {
    const tensor = Tensor.zeros(node.dtype, shape);
    if (init.value !== 0) (tensor.data as Float32Array).fill(init.value);
    return tensor;
  }
  const data = new (arrayOf(node.dtype))(sizeOf(shape)) as Float32Array;
  const random = new Random(deriveKey(seed, name));
  for (let i = 0; i < data.length; i++) data[i] = draw(random, init);
  return new Tensor(node.dtype, shape, data);
}

function draw(random: Random, init: Extract<Initialiser, { std: number } | { bound: number }>): number {
  if (init.kind === "uniform") return (2 * random.uniform() - 1) * init.bound;
  let value = random.normal();
  while (init.kind === "truncated-normal" && Math.abs(value) > 2) value = random.normal();
  return value * init.std;
}
