import { describe, expect, test } from "vitest";
import { WeightError } from "../errors.ts";
import { NameTable } from "./names.ts";

const table = new NameTable("swin", {
  embeddings: "swin.embeddings",
  "embeddings.norm": "swin.embeddings.LayerNorm",
  "stages.{i}.blocks.{j}.query": "swin.layers.{i}.blocks.{j}.self.query",
  "stages.{i}.blocks.{j}": "swin.layers.{i}.blocks.{j}",
  "heads.{i}.{j}": "swin.head{j}.part-{i}",
  "pooler.weight": "pool.w",
});

describe("NameTable", () => {
  test.each([
    ["pooler.weight", "pool.w"],
    ["embeddings.word.weight", "swin.embeddings.word.weight"],
    ["embeddings.norm.bias", "swin.embeddings.LayerNorm.bias"],
    ["stages.3.blocks.11.query.weight", "swin.layers.3.blocks.11.self.query.weight"],
    ["stages.3.blocks.11.mlp.up.bias", "swin.layers.3.blocks.11.mlp.up.bias"],
    ["heads.1.20", "swin.head20.part-1"],
  ])("%s and %s are the same parameter", (ours, hub) => {
    expect(table.toHub(ours)).toBe(hub);
    expect(table.fromHub(hub)).toBe(ours);
  });

  test("an entry fits whole segments only", () => {
    expect(() => table.toHub("embeddings2.weight")).toThrow(
      /swin: no entry of the name table fits "embeddings2/,
    );
    expect(() => table.toHub("pooler.weights")).toThrow(WeightError);
    expect(() => table.toHub("stages.x.blocks.1")).toThrow(WeightError);
  });

  test("gamma and beta of old checkpoints are weight and bias", () => {
    expect(table.fromHub("swin.embeddings.LayerNorm.gamma")).toBe("embeddings.norm.weight");
    expect(table.fromHub("swin.embeddings.LayerNorm.beta")).toBe("embeddings.norm.bias");
  });

  test("a name whose way back leads elsewhere is refused", () => {
    expect(() => table.fromHub("swin.embeddings.norm.weight")).toThrow(/not one-to-one: .*LayerNorm/);
    const literal = new NameTable("t", { "layers.{i}.q": "layer.{i}.q", "layers.0.q": "first.q" });
    expect(literal.toHub("layers.0.q")).toBe("first.q");
    expect(() => literal.fromHub("layer.0.q")).toThrow(/not one-to-one/);
  });

  test.each([
    ["two entries to one name", { a: "x", b: "x" }, /"x" and "x" are equal/],
    ["two entries that differ in the index's letter", { "a.{i}": "x.{i}", "a.{j}": "y.{j}" }, /are equal/],
    ["an index on one side", { "a.{i}": "x" }, /same indices/],
    ["an index twice", { "a.{i}.{i}": "x.{i}.{i}" }, /once/],
    ["an empty segment", { "a..b": "x" }, /is not a name/],
    ["a pattern of regular expressions", { "a.*": "x" }, /is not a name/],
  ])("a table with %s is refused", (_, map, message) => {
    expect(() => new NameTable("bert", map)).toThrow(message);
  });
});
