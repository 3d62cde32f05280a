import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import {
  buildCase,
  type CaseValues,
  checkGradients,
  type GradientCheck,
  type GradientPair,
  isDifferentiable,
  type NamedCase,
  type RangePair,
  runCases,
  runRanges,
} from "../../../test/support/check-ops.ts";
import { type CaseTable, symbolSizes } from "../../../test/support/op-cases.ts";
import { arithmeticCases, functionCases, selectCases } from "../../../test/support/op-cases-elementwise.ts";
import { fusedCases } from "../../../test/support/op-cases-fused.ts";
import { normCases, productCases, reduceCases, windowCases } from "../../../test/support/op-cases-linear.ts";
import { quantizedCases } from "../../../test/support/op-cases-quantized.ts";
import { indexingCases, shapeCases } from "../../../test/support/op-cases-shape.ts";
import { bindShape, isStatic } from "../../tensor/dims.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Node, registeredOps, topologicalOrder, zeroGrad } from "../node.ts";

const table: CaseTable = {
  ...arithmeticCases,
  ...functionCases,
  ...selectCases,
  ...shapeCases,
  ...indexingCases,
  ...reduceCases,
  ...normCases,
  ...productCases,
  ...windowCases,
  ...fusedCases,
  ...quantizedCases,
};

const cases: NamedCase[] = Object.entries(table).flatMap(([subject, own]) =>
  own.map((one) => ({ ...one, subject })),
);
const differentiable = cases.filter(
  (one) => !one.expected && isDifferentiable(buildCase(one, 0, "float64", false).outputs),
);
const names = (all: readonly NamedCase[]): [string, number][] =>
  all.map(({ subject, title }, at) => [`${subject} ${title}`, at]);

/** Every file of this folder, so that no op escapes the registry. */
async function importAllOps(): Promise<void> {
  const files = readdirSync(fileURLToPath(new URL(".", import.meta.url)));
  const sources = files.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  await Promise.all(sources.map((name) => import(/* @vite-ignore */ new URL(name, import.meta.url).href)));
}

const isSymbolic = (one: NamedCase): boolean => one.inputs.some(({ shape }) => !isStatic(shape));

/** Whether the op is what the case runs, not just the name it stands under. */
function uses(one: NamedCase, op: string): boolean {
  const { outputs } = buildCase(one, 0, "float64", true);
  return topologicalOrder(outputs).some((call) => call.op.name === op);
}

describe("the registry", async () => {
  await importAllOps();
  test.each([...registeredOps().values()].map((op) => [op.name, op] as const))(
    "%s has a case with symbolic dimensions, and one of its gradient, or of known values where that is zero",
    (name, op) => {
      const own = cases.filter((one) => one.subject === name);
      expect(own.some((one) => isSymbolic(one) && uses(one, name))).toBe(true);
      if (op.vjp === zeroGrad) expect(own.some((one) => one.expected)).toBe(true);
      if (typeof op.vjp === "function")
        expect(own.some((one) => !one.expected && uses(one, name))).toBe(true);
    },
  );
});

/** Largest difference, over the size of the expected numbers or 1, whichever is larger. */
function relativeError(actual: readonly number[], expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  const scale = Math.max(1, ...expected.filter(Number.isFinite).map(Math.abs));
  return Math.max(
    0,
    ...actual.map((value, at) =>
      Object.is(value, expected[at]) ? 0 : Math.abs(value - expected[at]!) / scale,
    ),
  );
}

const numbers = (tensors: readonly Tensor[]): number[] => tensors.flatMap((tensor) => tensor.toNumbers());

describe("gradients in float64 equal central differences", () => {
  let checks: GradientCheck[];
  beforeAll(async () => {
    checks = await checkGradients(differentiable);
  });

  const compare = ({ analytic, numeric }: GradientPair, tolerance = 1e-6): void => {
    expect(numeric.length).toBeGreaterThan(0);
    expect(relativeError(analytic, numeric)).toBeLessThan(tolerance);
  };

  test.each(names(differentiable))("%s, first and second order", (_, at) => {
    compare(checks[at]!.first, differentiable[at]!.tolerance);
    expect(checks[at]!.first.analytic.some((value) => value !== 0)).toBe(true);
    compare(checks[at]!.second, differentiable[at]!.tolerance);
  });
});

describe("a range of the output", () => {
  const narrowing = cases.filter(({ subject }) => registeredOps().get(subject)?.narrow);
  let ranges: RangePair[][];
  beforeAll(async () => {
    ranges = await runRanges(narrowing);
  });

  test.each(names(narrowing))("%s: equals the op on ranges of its inputs", (_, at) => {
    for (const { cut, narrowed } of ranges[at]!) {
      expect(narrowed.shape).toEqual(cut.shape);
      expect(relativeError(narrowed.toNumbers(), cut.toNumbers())).toBeLessThan(1e-12);
    }
  });

  test.each([...new Set(narrowing.map(({ subject }) => subject))])(
    "%s: some range is narrowed",
    (subject) => {
      expect(narrowing.some((one, at) => one.subject === subject && ranges[at]!.length > 0)).toBe(true);
    },
  );
});

describe("values", () => {
  let plain: CaseValues[];
  let symbolic: CaseValues[];
  let single: CaseValues[];
  beforeAll(async () => {
    plain = await runCases(cases, "float64", false);
    symbolic = await runCases(cases, "float64", true, "all");
    single = await runCases(cases, "float32", false, "all");
  });

  const compare = (actual: CaseValues, expected: CaseValues, tolerance: number): void => {
    expect(relativeError(numbers(actual.outputs), numbers(expected.outputs))).toBeLessThan(tolerance);
    expect(relativeError(numbers(actual.gradients), numbers(expected.gradients))).toBeLessThan(tolerance);
  };

  test.each(names(cases))(
    "%s: is the same with symbolic dimensions, optimised, and its shape holds",
    (_, at) => {
      const { outputs } = buildCase(cases[at]!, at, "float64", true);
      const bound = outputs.map((node: Node) => bindShape(node.shape, symbolSizes));
      expect(symbolic[at]!.outputs.map(({ shape }) => shape)).toEqual(bound);
      expect(symbolic[at]!.outputs.map(({ dtype }) => dtype)).toEqual(outputs.map(({ dtype }) => dtype));
      // ONNX Runtime rounds the factors that it moves into float64 products to float32.
      compare(symbolic[at]!, plain[at]!, 1e-7);
    },
  );

  test.each(names(cases))("%s: float32, optimised by ONNX Runtime, agrees with float64", (_, at) => {
    compare(single[at]!, plain[at]!, 2e-5);
  });

  const known = cases.flatMap((one, at) =>
    one.expected ? [[`${one.subject} ${one.title}`, one.expected, at] as const] : [],
  );
  test.each(known)("%s: is as expected", (_, expected, at) => {
    expect(relativeError(plain[at]!.outputs[0]!.toNumbers(), expected)).toBeLessThan(1e-14);
  });
});
