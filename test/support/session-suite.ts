/** What every implementation of Session must do. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ConfigError, RuntimeFailure, ShapeError } from "../../src/errors.ts";
import type { ModelSource, Session, SessionOptions } from "../../src/runtime/session.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import { numberToFloat16, Tensor } from "../../src/tensor/tensor.ts";
import { onnxModel } from "./onnx-models.ts";

type Open = (source: ModelSource, options?: SessionOptions) => Promise<Session>;

/** x, y [n, 4] → sum, difference. */
export const sumModel = onnxModel({
  inputs: [
    ["x", "float32", ["n", 4]],
    ["y", "float32", ["n", 4]],
  ],
  outputs: [
    ["sum", "float32", ["n", 4]],
    ["difference", "float32", ["n", 4]],
  ],
  nodes: [
    { op: "Add", inputs: ["x", "y"], outputs: ["sum"] },
    { op: "Sub", inputs: ["x", "y"], outputs: ["difference"] },
  ],
});

export const row = (...values: number[]): Tensor => Tensor.from("float32", [values.length / 4, 4], values);
const feeds = () => ({ x: row(1, 2, 3, 4), y: row(10, 20, 30, 40) });

const identity = (dtype: DType): Uint8Array =>
  onnxModel({
    inputs: [["x", dtype, ["n"]]],
    outputs: [["y", dtype, ["n"]]],
    nodes: [{ op: "Identity", inputs: ["x"], outputs: ["y"] }],
  });

const samples: Record<DType, readonly (number | bigint)[]> = {
  float32: [1.5, -2, 0],
  float64: [1 / 3, -2, 0],
  float16: [1.5, -2, 0.1].map(numberToFloat16),
  int8: [-128, 127, 0],
  uint8: [255, 1, 0],
  int16: [-32768, 32767, 0],
  uint16: [65535, 1, 0],
  int32: [-(2 ** 31), 2 ** 31 - 1, 0],
  uint32: [2 ** 32 - 1, 1, 0],
  int64: [-(2n ** 63n), 2n ** 63n - 1n, 0n],
  uint64: [2n ** 64n - 1n, 1n, 0n],
  bool: [1, 0, 1],
};

/** Runs the suite against sessions that `open` makes. */
export function testSessions(open: Open): void {
  const folder = mkdtempSync(join(tmpdir(), "tesserae-sessions-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const using = async (
    model: Uint8Array,
    use: (session: Session) => Promise<void>,
    options?: SessionOptions,
  ) => {
    const session = await open({ bytes: model, name: "sums" }, options);
    await use(session).finally(() => session.release());
  };

  describe("running", () => {
    test("tells its inputs, outputs and provider", () =>
      using(sumModel, async (session) => {
        expect(session.inputs.map(({ name }) => name)).toEqual(["x", "y"]);
        expect(session.outputs[1]).toEqual({ name: "difference", dtype: "float32", shape: ["n", 4] });
        expect(session.provider).toBe("cpu");
      }));

    test("computes all outputs, or those that are named", () =>
      using(sumModel, async (session) => {
        const all = await session.run(feeds());
        expect(all.sum).toEqual(row(11, 22, 33, 44));
        expect(all.difference).toBeInstanceOf(Tensor);
        const some = await session.run(feeds(), ["difference"]);
        expect(some).toEqual({ difference: row(-9, -18, -27, -36) });
      }));

    test("leaves the feeds usable", () =>
      using(sumModel, async (session) => {
        const own = feeds();
        await session.run(own);
        expect(own).toEqual(feeds());
      }));

    test("reads feeds that are views into a larger buffer", () =>
      using(sumModel, async (session) => {
        const large = Float32Array.from({ length: 64 }, (_, at) => at);
        const view = new Tensor("float32", [1, 4], large.subarray(8, 12));
        const { sum } = await session.run({ x: view, y: view }, ["sum"]);
        expect(sum!.toNumbers()).toEqual([16, 18, 20, 22]);
      }));

    test("keeps concurrent runs apart", () =>
      using(sumModel, async (session) => {
        const runs = [1, 2, 3, 4].map((value) => session.run({ x: row(value, 0, 0, 0), y: row(0, 0, 0, 0) }));
        const results = await Promise.all(runs);
        expect(results.map(({ sum }) => sum!.data[0])).toEqual([1, 2, 3, 4]);
      }));

    test("takes tensors without elements", () =>
      using(sumModel, async (session) => {
        const empty = Tensor.zeros("float32", [0, 4]);
        expect((await session.run({ x: empty, y: empty })).sum).toEqual(empty);
      }));

    test.each(Object.keys(samples) as DType[])("carries %s unchanged", (dtype) =>
      using(identity(dtype), async (session) => {
        const x = Tensor.from(dtype, [3], samples[dtype]);
        expect((await session.run({ x })).y).toEqual(x);
      }),
    );
  });

  describe("tensors to write into", () => {
    test("are written and returned", () =>
      using(sumModel, async (session) => {
        const sum = Tensor.zeros("float32", [1, 4]);
        const results = await session.run(feeds(), { sum, difference: null });
        expect(results.sum).toBe(sum);
        expect(sum).toEqual(row(11, 22, 33, 44));
        expect(results.difference).toEqual(row(-9, -18, -27, -36));
      }));

    test("may be views into a larger buffer", () =>
      using(sumModel, async (session) => {
        const large = new Float32Array(12);
        await session.run(feeds(), { sum: new Tensor("float32", [1, 4], large.subarray(4, 8)) });
        expect([...large]).toEqual([0, 0, 0, 0, 11, 22, 33, 44, 0, 0, 0, 0]);
      }));

    test("may be a feed that is read elementwise", () =>
      using(sumModel, async (session) => {
        const own = feeds();
        await session.run(own, { sum: own.x });
        expect(own.x).toEqual(row(11, 22, 33, 44));
      }));

    test("must have the shape that is computed", () =>
      using(sumModel, async (session) => {
        const sum = Tensor.zeros("float32", [2, 4]);
        await expect(session.run(feeds(), { sum })).rejects.toThrow(ShapeError);
      }));
  });

  describe("errors", () => {
    const { x, y } = feeds();
    test.each([
      ["a missing feed", { x }, undefined, 'session sums: feed "y" is missing; it needs x, y'],
      ["an unknown feed", { x, y, z: x }, undefined, 'session sums: there is no input "z"; it has x, y'],
      ["another rank", { x: x.reshape([4]), y }, undefined, "x: expected float32 [n, 4], got float32 [4]"],
      [
        "a wrong size",
        { x: x.reshape([2, 2]), y },
        undefined,
        "x: expected float32 [n, 4], got float32 [2, 2]",
      ],
      [
        "another dtype",
        { x, y: Tensor.zeros("int32", [1, 4]) },
        undefined,
        "y: expected float32 [n, 4], got int32 [1, 4]",
      ],
      ["an unknown output", { x, y }, ["product"], 'there is no output "product"; it has sum, difference'],
      ["no output at all", { x, y }, [], "no output is wanted"],
      [
        "a target of another dtype",
        { x, y },
        { sum: Tensor.zeros("int32", [1, 4]) },
        "sum: expected float32",
      ],
    ])("%s is a ShapeError", (_, given, fetches, message) =>
      using(sumModel, async (session) => {
        const run = session.run(given, fetches);
        await expect(run).rejects.toBeInstanceOf(ShapeError);
        await expect(run).rejects.toThrow(message);
      }),
    );

    test("a feed whose memory was given away is a ShapeError", () =>
      using(sumModel, async (session) => {
        const gone = row(1, 2, 3, 4);
        structuredClone(gone.data, { transfer: [gone.data.buffer as ArrayBuffer] });
        await expect(session.run({ x: gone, y })).rejects.toThrow("x: its memory was given away");
      }));

    test("shared memory is refused", () =>
      using(sumModel, async (session) => {
        const shared = new Tensor("float32", [1, 4], new Float32Array(new SharedArrayBuffer(16)));
        await expect(session.run({ x: shared, y })).rejects.toThrow("lies in a SharedArrayBuffer");
      }));

    test("what ORT throws while running names the model and the cause", () =>
      using(sumModel, async (session) => {
        const run = session.run({ x: row(...Array(8).fill(0)), y: row(...Array(12).fill(0)) });
        await expect(run).rejects.toBeInstanceOf(RuntimeFailure);
        await expect(run).rejects.toThrow(/session sums: ORT failed to run: .*(Add|Sub) node/);
        expect(await run.catch((error: Error) => error.cause)).toBeInstanceOf(Error);
      }));

    test("bytes that are no model are a RuntimeFailure", async () => {
      const opening = open({ bytes: new Uint8Array(100).fill(7) });
      await expect(opening).rejects.toBeInstanceOf(RuntimeFailure);
      await expect(opening).rejects.toThrow("session of bytes: ORT cannot open the model");
    });

    test("a missing file is a ConfigError", async () => {
      const opening = open({ path: join(folder, "absent.onnx") });
      await expect(opening).rejects.toBeInstanceOf(ConfigError);
      await expect(opening).rejects.toMatchObject({ code: "not_found" });
    });
  });

  describe("release", () => {
    test("may be called twice, and ends all use", async () => {
      const session = await open({ bytes: sumModel, name: "sums" });
      await session.release();
      await session.release();
      await expect(session.run(feeds())).rejects.toThrow("session sums: was released; open a new session");
    });

    test("waits for runs under way", async () => {
      const session = await open({ bytes: sumModel });
      const run = session.run(feeds());
      await session.release();
      expect((await run).sum).toEqual(row(11, 22, 33, 44));
    });
  });

  describe("external weights", () => {
    const weights = Tensor.from("float32", [4], [100, 200, 300, 400]);
    const offset = 11; // not aligned to an element
    const file = new Uint8Array(offset + 16);
    file.set(new Uint8Array(weights.data.buffer), offset);
    writeFileSync(join(folder, "weights.bin"), file);
    const model = (location: string, at = offset): Uint8Array =>
      onnxModel({
        inputs: [["x", "float32", ["n", 4]]],
        outputs: [["y", "float32", ["n", 4]]],
        nodes: [{ op: "Add", inputs: ["x", "w"], outputs: ["y"] }],
        external: [{ name: "w", dtype: "float32", shape: [4], location, offset: at, length: 16 }],
      });
    const result = async (source: ModelSource): Promise<number[]> => {
      const session = await open(source);
      const { y } = await session.run({ x: row(1, 2, 3, 4) }).finally(() => session.release());
      return y!.toNumbers();
    };

    test("are found beside a model file", async () => {
      const path = join(folder, "model.onnx");
      writeFileSync(path, model("weights.bin"));
      expect(await result({ path })).toEqual([101, 202, 303, 404]);
    });

    test("of a model in memory are found in weightsFolder", async () => {
      expect(await result({ bytes: model("weights.bin"), weightsFolder: folder })).toEqual([
        101, 202, 303, 404,
      ]);
    });

    test.each([
      ["outside the folder", model("../weights.bin")],
      ["at an absolute path", model(join(folder, "weights.bin"))],
      ["in a missing file", model("absent.bin")],
      ["beyond the end of the file", model("weights.bin", 12)],
      ["at a negative offset", model("weights.bin", -8)],
    ])("%s are refused", async (_, bytes) => {
      await expect(open({ bytes, weightsFolder: folder })).rejects.toBeInstanceOf(RuntimeFailure);
    });
  });

  describe("profile", () => {
    test("lists the ops with calls, times and shares", () =>
      using(
        sumModel,
        async (session) => {
          for (let i = 0; i < 3; i++) await session.run(feeds());
          const rows = await session.profile();
          expect(rows.map(({ op }) => op).sort()).toEqual(["Add", "Sub"]);
          expect(rows.every(({ calls, provider }) => calls === 3 && provider === "cpu")).toBe(true);
          expect(rows[0]!.share + rows[1]!.share).toBeCloseTo(1);
          expect((await session.profile("node")).map(({ name }) => name).sort()).toEqual(["Add_0", "Sub_1"]);
        },
        { profile: true },
      ));

    test("needs a session that records it", () =>
      using(sumModel, (session) => expect(session.profile()).rejects.toThrow("open it with profile: true")));
  });
}
