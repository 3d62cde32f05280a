import { describe, expect, test } from "vitest";
import { parseProfile, profileTable } from "./profile.ts";

const kernel = (op: string, node: string, dur: number) => ({
  cat: "Node",
  name: `${node}_kernel_time`,
  dur,
  args: { op_name: op, provider: "CPUExecutionProvider" },
});
const trace = JSON.stringify([
  { cat: "Session", name: "model_run", dur: 9000, args: {} },
  kernel("MatMul", "query", 3000),
  kernel("Add", "bias", 500),
  kernel("MatMul", "key", 1500),
]);

describe("parseProfile", () => {
  test("sums by op type, the slowest first", () => {
    expect(parseProfile(trace, "op")).toEqual([
      { name: "MatMul", op: "MatMul", provider: "cpu", calls: 2, timeMs: 4.5, share: 0.9 },
      { name: "Add", op: "Add", provider: "cpu", calls: 1, timeMs: 0.5, share: 0.1 },
    ]);
  });

  test("sums by node", () => {
    expect(parseProfile(trace, "node").map(({ name, timeMs }) => [name, timeMs])).toEqual([
      ["query", 3],
      ["key", 1.5],
      ["bias", 0.5],
    ]);
  });
});

describe("profileTable", () => {
  test("lines up columns and ends with the sum", () => {
    expect(profileTable(parseProfile(trace, "op"))).toBe(
      [
        "op      provider  calls    ms  ms/call    share",
        "MatMul  cpu           2  4.50    2.250   90.0 %",
        "Add     cpu           1  0.50    0.500   10.0 %",
        "total                 3  5.00    1.667  100.0 %",
      ].join("\n"),
    );
  });
});
