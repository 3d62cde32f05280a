/** Collects ONNX nodes and initializers while a graph is lowered. Ops see only this interface of the encoder. */

import { ShapeError } from "../../errors.ts";
import { type Dim, type Shape, SymbolicDim } from "../../tensor/dims.ts";
import type { DType } from "../../tensor/dtype.ts";
import { Tensor } from "../../tensor/tensor.ts";

export type AttributeValue =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | DTypeAttribute;

/** An attribute that names an element type, such as Cast's `to`. */
export interface DTypeAttribute {
  readonly dtype: DType;
}

export interface OnnxNode {
  readonly opType: string;
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface NodeOptions {
  readonly domain?: "" | "com.microsoft";
  /** How many outputs to name; default 1. */
  readonly outputs?: number;
}

export class OnnxBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers = new Map<string, Tensor>();
  private readonly constantNames = new Map<string, string>();
  private readonly dimNames = new Map<string, string>();
  private counter = 0;

  /** `symbols`: where each symbolic dimension can be read, as an input name and an axis. */
  constructor(
    private readonly symbols: ReadonlyMap<string, { readonly input: string; readonly axis: number }>,
  ) {}

  /** Adds a node and returns the name of its first output. An empty input name omits an optional input. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    options: NodeOptions = {},
  ): string {
    return this.multi(opType, inputs, attributes, options)[0]!;
  }

  /** Adds a node and returns the names of all its outputs. */
  multi(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>>,
    options: NodeOptions,
  ): readonly string[] {
    const name = `${opType}_${this.counter++}`;
    const count = options.outputs ?? 1;
    const outputs = Array.from({ length: count }, (_, index) => (index === 0 ? name : `${name}.${index}`));
    this.nodes.push({ opType, domain: options.domain ?? "", name, inputs, outputs, attributes });
    return outputs;
  }

  /** The name of an initializer with this value; equal small constants share one. */
  constant(tensor: Tensor): string {
    const key = tensor.size <= 16 ? `${tensor.dtype}[${tensor.shape}]${tensor.data.join(",")}` : undefined;
    const known = key === undefined ? undefined : this.constantNames.get(key);
    if (known !== undefined) return known;
    const name = `constant_${this.counter++}`;
    this.initializers.set(name, tensor);
    if (key !== undefined) this.constantNames.set(key, name);
    return name;
  }

  scalar(value: number, dtype: DType): string {
    return this.constant(Tensor.from(dtype, [], [value]));
  }

  /** A constant int64 vector, as ONNX wants axes, pads and the like. */
  int64s(values: readonly number[]): string {
    return this.constant(Tensor.from("int64", [values.length], values));
  }

  /** A shape as an int64 vector, computed at run time where it has symbols. */
  shape(shape: Shape): string {
    if (shape.every((dim) => typeof dim === "number")) return this.int64s(shape);
    return this.node(
      "Concat",
      shape.map((dim) => this.dim(dim)),
      { axis: 0 },
    );
  }

  /** A shape for Reshape: a single symbolic dimension is left to ONNX as −1. */
  reshapeTarget(shape: Shape): string {
    const symbolic = shape.filter((dim) => typeof dim !== "number");
    if (symbolic.length > 1 || shape.includes(0)) return this.shape(shape);
    return this.int64s(shape.map((dim) => (typeof dim === "number" ? dim : -1)));
  }

  /** A dimension as an int64 vector of one element. */
  dim(dim: Dim): string {
    if (typeof dim === "number") return this.int64s([dim]);
    const known = this.dimNames.get(dim.text);
    if (known !== undefined) return known;
    const terms = dim.terms.map(({ coefficient, symbols }) => {
      const factors = symbols.map((name) => this.symbol(name));
      if (coefficient !== 1 || factors.length === 0) factors.unshift(this.int64s([coefficient]));
      return factors.reduce((product, factor) => this.node("Mul", [product, factor]));
    });
    const name = terms.reduce((sum, term) => this.node("Add", [sum, term]));
    this.dimNames.set(dim.text, name);
    return name;
  }

  private symbol(name: string): string {
    const known = this.dimNames.get(name);
    if (known !== undefined) return known;
    const source = this.symbols.get(name);
    if (!source)
      throw new ShapeError(`dimension "${name}" is the size of no graph input, so it cannot be computed`);
    const value = this.node("Shape", [source.input], { start: source.axis, end: source.axis + 1 });
    this.dimNames.set(name, value);
    return value;
  }

  cast(value: string, to: DType): string {
    return this.node("Cast", [value], { to: { dtype: to } });
  }
}

/** The plain symbol a dimension is, undefined for numbers and expressions. */
export function plainSymbol(dim: Dim): string | undefined {
  if (!(dim instanceof SymbolicDim) || dim.terms.length !== 1) return undefined;
  const [{ coefficient, symbols } = { coefficient: 0, symbols: [] }] = dim.terms;
  return coefficient === 1 && symbols.length === 1 ? symbols[0] : undefined;
}
