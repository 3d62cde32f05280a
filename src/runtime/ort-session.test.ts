import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { onnxModel } from "../../test/support/onnx-models.ts";
import { testSessions } from "../../test/support/session-suite.ts";
import { Tensor } from "../tensor/tensor.ts";
import { OrtSession } from "./ort-session.ts";

const anonymousMb = (): number =>
  Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024;

describe("OrtSession", () => {
  testSessions(OrtSession.open);

  test.runIf(process.platform === "linux")(
    "maps external weights into memory instead of reading them",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "tesserae-weights-"));
      const shape = [65_536, 256]; // 64 MiB
      const length = 64 * 2 ** 20;
      writeFileSync(join(folder, "weights.bin"), "");
      truncateSync(join(folder, "weights.bin"), length);
      const bytes = onnxModel({
        inputs: [["rows", "int64", ["n"]]],
        outputs: [["y", "float32", ["n", 256]]],
        nodes: [{ op: "Gather", inputs: ["w", "rows"], outputs: ["y"] }],
        external: [{ name: "w", dtype: "float32", shape, location: "weights.bin", offset: 0, length }],
      });
      const before = anonymousMb();
      const session = await OrtSession.open({ bytes, weightsFolder: folder });
      await session.run({ rows: Tensor.from("int64", [2], [0, 65_535]) });
      const grownMb = anonymousMb() - before;
      await session.release();
      rmSync(folder, { recursive: true });
      expect(grownMb).toBeLessThan(32);
    },
  );
});

describe("OrtSession with inPlaceOutputs", () => {
  testSessions((source, options) => OrtSession.open(source, { ...options, inPlaceOutputs: true }));

  test("makes no second copy of outputs", async () => {
    const size = 8 * 2 ** 20; // 32 MiB
    const bytes = onnxModel({
      inputs: [["x", "float32", [size]]],
      outputs: [["y", "float32", [size]]],
      nodes: [{ op: "Neg", inputs: ["x"], outputs: ["y"] }],
    });
    const session = await OrtSession.open({ bytes }, { inPlaceOutputs: true, arena: false });
    const x = new Tensor("float32", [size], new Float32Array(size).fill(1));
    const y = Tensor.zeros("float32", [size]);
    const before = process.memoryUsage().arrayBuffers;
    await session.run({ x }, { y });
    const grownBytes = process.memoryUsage().arrayBuffers - before;
    await session.release();
    expect(y.data[size - 1]).toBe(-1);
    expect(grownBytes).toBeLessThan(y.sizeBytes / 2);
  });

  test("makes tensors for outputs of fixed shape", async () => {
    const bytes = onnxModel({
      inputs: [["x", "float32", ["n", 2]]],
      outputs: [
        ["y", "float32", [2]],
        ["total", "float32", []],
      ],
      nodes: [
        { op: "ReduceSum", inputs: ["x", "axes"], outputs: ["y"], ints: { keepdims: 0 } },
        { op: "ReduceSum", inputs: ["x"], outputs: ["total"], ints: { keepdims: 0 } },
      ],
      weights: { axes: Tensor.from("int64", [1], [0]) },
    });
    const session = await OrtSession.open({ bytes }, { inPlaceOutputs: true });
    const results = await session.run({ x: Tensor.from("float32", [2, 2], [1, 2, 3, 4]) });
    await session.release();
    expect(results.y!.toNumbers()).toEqual([4, 6]);
    expect(results.total).toEqual(Tensor.from("float32", [], [10]));
  });

  test("updates parameters and moments in their own memory", async () => {
    // m' = 0.5 m + g; p' = p - m', each written over what it replaces.
    const shape = [1000];
    const bytes = onnxModel({
      inputs: ["p", "m", "g"].map((name) => [name, "float32", shape] as const),
      outputs: ["newP", "newM"].map((name) => [name, "float32", shape] as const),
      nodes: [
        { op: "Mul", inputs: ["m", "half"], outputs: ["decayed"] },
        { op: "Add", inputs: ["decayed", "g"], outputs: ["newM"] },
        { op: "Sub", inputs: ["p", "newM"], outputs: ["newP"] },
      ],
      weights: { half: Tensor.from("float32", [], [0.5]) },
    });
    const session = await OrtSession.open({ bytes }, { inPlaceOutputs: true });
    const filled = (value: number) => Tensor.from("float32", shape, Array(1000).fill(value));
    const [p, m, g] = [filled(100), filled(2), filled(8)] as const;
    for (let step = 0; step < 2; step++) await session.run({ p, m, g }, { newP: p, newM: m });
    await session.release();
    expect(m).toEqual(filled(0.5 * (0.5 * 2 + 8) + 8));
    expect(p).toEqual(filled(100 - 9 - 12.5));
  });
});
