/**
 * Dimensions that are numbers or symbolic expressions.
 * A symbolic dimension is a polynomial with integer coefficients over named symbols ("batch", "length"), kept in a
 * canonical form so that equal dimensions are equal strings.
 */

import { ShapeError } from "../errors.ts";

/** A size: a number, or a symbolic expression such as `batch` or `2*batch*length+1`. */
export type Dim = number | SymbolicDim;
export type Shape = readonly Dim[];

/** One product of symbols with its coefficient, e.g. 2·batch·length. */
interface Term {
  readonly coefficient: number;
  readonly symbols: readonly string[]; // sorted, repeated for powers
}

/** A polynomial that is not a plain number. Built by `symbol` and the arithmetic below. */
export class SymbolicDim {
  readonly text: string;

  constructor(readonly terms: readonly Term[]) {
    this.text = terms.map(termText).join("+");
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

const termText = ({ coefficient, symbols }: Term): string =>
  [...(coefficient === 1 && symbols.length > 0 ? [] : [String(coefficient)]), ...symbols].join("*");

/** A named dimension whose size is known only when a graph runs. */
export const symbol = (name: string): Dim => new SymbolicDim([{ coefficient: 1, symbols: [name] }]);

function termsOf(dim: Dim): readonly Term[] {
  if (dim === 0) return [];
  return typeof dim === "number" ? [{ coefficient: dim, symbols: [] }] : dim.terms;
}

function fromTerms(terms: readonly Term[]): Dim {
  const merged = new Map<string, Term>();
  for (const term of terms) {
    const key = term.symbols.join("*");
    const coefficient = (merged.get(key)?.coefficient ?? 0) + term.coefficient;
    merged.set(key, { coefficient, symbols: term.symbols });
  }
  const kept = [...merged.entries()].filter(([, term]) => term.coefficient !== 0);
  kept.sort(([a], [b]) => (a === "" ? 1 : b === "" ? -1 : a < b ? -1 : 1));
  const [first] = kept;
  if (!first) return 0;
  if (kept.length === 1 && first[0] === "") return first[1].coefficient;
  return new SymbolicDim(kept.map(([, term]) => term));
}

export const addDims = (a: Dim, b: Dim): Dim =>
  typeof a === "number" && typeof b === "number" ? a + b : fromTerms([...termsOf(a), ...termsOf(b)]);

export const subDims = (a: Dim, b: Dim): Dim => addDims(a, mulDims(b, -1));

export function mulDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a * b;
  return fromTerms(
    termsOf(a).flatMap((x) =>
      termsOf(b).map((y) => ({
        coefficient: x.coefficient * y.coefficient,
        symbols: [...x.symbols, ...y.symbols].sort(),
      })),
    ),
  );
}

/** The product of all dimensions, 1 for none. */
export const productOf = (shape: Shape): Dim => shape.reduce<Dim>(mulDims, 1);

/** a / b where b divides every term of a; `undefined` where it does not. */
export function divideDims(a: Dim, b: Dim): Dim | undefined {
  if (b === 0) return undefined;
  if (equalDims(a, b)) return 1;
  const [divisor, ...others] = termsOf(b);
  if (!divisor || others.length > 0) return undefined;
  const quotients: Term[] = [];
  for (const term of termsOf(a)) {
    if (term.coefficient % divisor.coefficient !== 0) return undefined;
    const symbols = [...term.symbols];
    for (const name of divisor.symbols) {
      const at = symbols.indexOf(name);
      if (at < 0) return undefined;
      symbols.splice(at, 1);
    }
    quotients.push({ coefficient: term.coefficient / divisor.coefficient, symbols });
  }
  return fromTerms(quotients);
}

export const equalDims = (a: Dim, b: Dim): boolean =>
  typeof a === "number" || typeof b === "number" ? a === b : a.text === b.text;

export const equalShapes = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((dim, axis) => equalDims(dim, b[axis]!));

export const isStatic = (shape: Shape): shape is readonly number[] =>
  shape.every((dim) => typeof dim === "number");

/** `[2, batch, 768]` for messages. */
export const showShape = (shape: Shape): string => `[${shape.join(", ")}]`;

/** A non-negative axis; negative axes count from the end. @throws ShapeError when out of range. */
export function normaliseAxis(axis: number, rank: number, where: string): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || at < 0 || at >= rank) {
    throw new ShapeError(`${where}: axis ${axis} is outside a tensor of rank ${rank}`);
  }
  return at;
}

/** NumPy broadcasting. A symbolic dimension is never taken to be 1. @throws ShapeError when the shapes do not fit. */
export function broadcastShapes(where: string, ...shapes: readonly Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let result: Dim = 1;
    for (const shape of shapes) {
      const dim = shape[axis - rank + shape.length] ?? 1;
      if (dim === 1 || equalDims(dim, result)) continue;
      if (result !== 1) {
        throw new ShapeError(`${where}: shapes ${shapes.map(showShape).join(" and ")} do not broadcast`);
      }
      result = dim;
    }
    return result;
  });
}

/** The shape with every symbol replaced by its size. @throws ShapeError when a symbol has no size. */
export function bindShape(shape: Shape, sizes: Readonly<Record<string, number>>): number[] {
  return shape.map((dim) =>
    termsOf(dim).reduce((sum, term) => {
      const product = term.symbols.reduce((value, name) => {
        const size = sizes[name];
        if (size === undefined) throw new ShapeError(`dimension ${dim}: no size was given for "${name}"`);
        return value * size;
      }, term.coefficient);
      return sum + product;
    }, 0),
  );
}
