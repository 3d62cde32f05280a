import { describe, expect, test } from "vitest";
import { addDims, symbol } from "../tensor/dims.ts";
import { type Graph, symbolSources, validate } from "./graph.ts";
import { input, parameter } from "./node.ts";
import { add, zeros } from "./ops/core.ts";
import { matmul } from "./ops/matmul.ts";

const batch = symbol("batch");
const x = input("x", "float32", [batch, 2]);
const weight = parameter([2, 3], { kind: "constant", value: 0 });
const product = matmul(x, weight);
const graph: Graph = { inputs: [x], parameters: new Map([[weight, "weight"]]), outputs: { product } };

describe("validate", () => {
  test("accepts a graph whose leaves are all declared", () => {
    expect(() => validate(graph)).not.toThrow();
  });

  test("refuses a graph without outputs", () => {
    expect(() => validate({ ...graph, outputs: {} })).toThrow(
      "graph: expected at least one output, got none",
    );
  });

  test("names an input that is used but not declared", () => {
    expect(() => validate({ ...graph, inputs: [] })).toThrow(
      'graph: input "x" is used but not declared; add it to the graph\'s inputs',
    );
  });

  test("names a parameter without a name", () => {
    expect(() => validate({ ...graph, parameters: new Map() })).toThrow(
      "graph: a parameter parameter: float32[2, 3] has no name; collect it from the module that holds it",
    );
  });

  test("refuses two leaves of one name", () => {
    expect(() => validate({ ...graph, parameters: new Map([[weight, "x"]]) })).toThrow(
      'graph: the name "x" is used twice',
    );
  });

  test("refuses a symbol that is the size of no input", () => {
    const lost = zeros("float32", [symbol("length")]);
    expect(() => validate({ ...graph, outputs: { lost } })).toThrow(
      'graph: broadcastTo: float32[length] uses dimension "length", which is the size of no graph input',
    );
  });
});

describe("symbolSources", () => {
  test("finds the first input axis that is a plain symbol, not an expression of it", () => {
    const longer = input("longer", "float32", [addDims(batch, 1)]);
    const sources = symbolSources({ ...graph, inputs: [longer, x], outputs: { sum: add(product, 1) } });
    expect([...sources]).toEqual([["batch", { input: "x", axis: 0 }]]);
  });
});
