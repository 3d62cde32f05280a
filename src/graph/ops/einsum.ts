/** Einstein summation of two operands, as one matrix product between transposes. */

import { ConfigError, ShapeError } from "../../errors.ts";
import { type Dim, equalDims, productOf, showShape } from "../../tensor/dims.ts";
import type { Node } from "../node.ts";
import { reshape, sum, transpose } from "./core.ts";
import { matmul } from "./matmul.ts";

interface Letters {
  readonly batch: readonly string[]; // in both operands and the result
  readonly contracted: readonly string[]; // in both operands only
  readonly left: readonly string[]; // in a and the result
  readonly right: readonly string[]; // in b and the result
}

/** @throws ConfigError unless the equation is like "bhqd,bhkd->bhqk", no letter repeated within a term. */
function parse(equation: string): [a: string[], b: string[], result: string[]] {
  const match = /^([a-zA-Z]+),([a-zA-Z]+)->([a-zA-Z]*)$/.exec(equation);
  const terms = (match?.slice(1) ?? []).map((term) => [...term]);
  const known = new Set(terms.slice(0, 2).flat());
  const isValid =
    terms.every((term) => new Set(term).size === term.length) &&
    terms[2]?.every((letter) => known.has(letter));
  if (!isValid) {
    throw new ConfigError(
      `einsum: expected an equation like "bhqd,bhkd->bhqk" without repeated letters, got "${equation}"`,
    );
  }
  return terms as [string[], string[], string[]];
}

function sizesOf(
  equation: string,
  operands: readonly (readonly [Node, readonly string[]])[],
): Map<string, Dim> {
  const sizes = new Map<string, Dim>();
  for (const [node, letters] of operands) {
    const isFit =
      node.rank === letters.length &&
      letters.every((letter, axis) => equalDims(sizes.get(letter) ?? node.shape[axis]!, node.shape[axis]!));
    if (!isFit) {
      const shapes = operands.map(([operand]) => showShape(operand.shape)).join(" and ");
      throw new ShapeError(`einsum "${equation}": shapes ${shapes} do not fit the letters`);
    }
    letters.forEach((letter, axis) => {
      sizes.set(letter, node.shape[axis]!);
    });
  }
  return sizes;
}

/** x with the letters summed out that no other term has; returns it with the letters left. */
function sumAlone(x: Node, letters: readonly string[], others: readonly string[]): [Node, string[]] {
  const isAlone = (letter: string): boolean => !others.includes(letter);
  const axes = letters.flatMap((letter, axis) => (isAlone(letter) ? [axis] : []));
  return [sum(x, axes), letters.filter((letter) => !isAlone(letter))];
}

/** The axes of x in the order of `groups`, each group after the first joined into one axis. */
function arrange(
  x: Node,
  letters: readonly string[],
  batch: readonly string[],
  groups: readonly string[][],
): Node {
  const order = [...batch, ...groups.flat()].map((letter) => letters.indexOf(letter));
  const moved = transpose(x, order);
  const sizeOf = (letter: string): Dim => x.shape[letters.indexOf(letter)]!;
  return reshape(moved, [...batch.map(sizeOf), ...groups.map((group) => productOf(group.map(sizeOf)))]);
}

/**
 * Σ over the letters that the result lacks: `einsum("bqhd,bkhd->bhqk", query, key)`.
 * @throws ConfigError for an equation it cannot read, ShapeError when the shapes do not fit the letters.
 */
export function einsum(equation: string, a: Node, b: Node): Node {
  const [lettersA, lettersB, result] = parse(equation);
  const sizes = sizesOf(equation, [
    [a, lettersA],
    [b, lettersB],
  ]);
  const [left, inA] = sumAlone(a, lettersA, [...lettersB, ...result]);
  const [right, inB] = sumAlone(b, lettersB, [...lettersA, ...result]);
  const kinds = classify(inA, inB, result);
  const product = matmul(
    arrange(left, inA, kinds.batch, [[...kinds.left], [...kinds.contracted]]),
    arrange(right, inB, kinds.batch, [[...kinds.right], [...kinds.contracted]]),
    { transB: true },
  );
  const order = [...kinds.batch, ...kinds.left, ...kinds.right];
  const apart = reshape(
    product,
    order.map((letter) => sizes.get(letter)!),
  );
  return transpose(
    apart,
    result.map((letter) => order.indexOf(letter)),
  );
}

function classify(inA: readonly string[], inB: readonly string[], result: readonly string[]): Letters {
  const shared = inA.filter((letter) => inB.includes(letter));
  return {
    batch: shared.filter((letter) => result.includes(letter)),
    contracted: shared.filter((letter) => !result.includes(letter)),
    left: inA.filter((letter) => !inB.includes(letter)),
    right: inB.filter((letter) => !inA.includes(letter)),
  };
}
