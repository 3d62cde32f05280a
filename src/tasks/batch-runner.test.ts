import { describe, expect, test } from "vitest";
import type { Feeds, Session } from "../runtime/session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { BatchRunner } from "./batch-runner.ts";

/** Answers each text with the sum of its ids, and notes the shapes it is given. */
function summingSession(): { session: Session; shapes: number[][] } {
  const shapes: number[][] = [];
  const run = async (feeds: Feeds): Promise<Record<string, Tensor>> => {
    const { shape } = feeds.input_ids!;
    shapes.push([...shape]);
    const [ids, mask] = [feeds.input_ids!.toNumbers(), feeds.attention_mask!.toNumbers()];
    await new Promise((resolve) => setImmediate(resolve));
    const sums = Array.from({ length: shape[0]! }, (_, row) =>
      ids.reduce((sum, id, at) => sum + (Math.floor(at / shape[1]!) === row ? id * mask[at]! : 0), 0),
    );
    if (sums.includes(13)) throw new Error("unlucky");
    return { sum: Tensor.from("float32", [sums.length, 1], sums) };
  };
  const inputs = ["input_ids", "attention_mask"].map((name) => {
    return { name, dtype: "int64" as const, shape: ["batch", "length"] };
  });
  const session = {
    inputs,
    outputs: [],
    provider: "cpu" as const,
    run,
    profile: async () => [],
    release: async () => {},
  };
  return { session, shapes };
}

const text = (length: number, id = 1) => ({ ids: Array(length).fill(id), typeIds: Array(length).fill(0) });

const sumsOf = async (runner: BatchRunner, lengths: readonly number[], id = 1): Promise<number[]> => {
  const outputs = await Promise.all(lengths.map((length) => runner.run(text(length, id))));
  return outputs.map(({ sum }) => Number(sum!.data[0]));
};

describe("batches", () => {
  test("answer every text with its own row", async () => {
    const { session } = summingSession();
    const runner = new BatchRunner(session, 0, ["sum"], { maxBatchTokens: 40 });
    const lengths = Array.from({ length: 200 }, (_, at) => ((at * 37) % 29) + 14);
    expect(await sumsOf(runner, lengths)).toEqual(lengths);
  });

  test("stay within the budget of padded tokens, except a text that exceeds it alone", async () => {
    const { session, shapes } = summingSession();
    const runner = new BatchRunner(session, 0, ["sum"], { maxBatchTokens: 64 });
    await sumsOf(runner, [5, 6, 7, 8, 90, 20, 21, 22, 30, 31, 5, 6, 7]);
    for (const [rows, length] of shapes) expect(rows! * length! <= 64 || rows === 1).toBe(true);
  });

  test("hold texts of like length, so that little padding is computed", async () => {
    const { session, shapes } = summingSession();
    const runner = new BatchRunner(session, 0, ["sum"]);
    const lengths = Array.from({ length: 256 }, (_, at) => (at % 2 === 0 ? 15 + (at % 20) : 150 + (at % 50)));
    await sumsOf(runner, lengths);
    const padded = shapes.reduce((sum, [rows, length]) => sum + rows! * length!, 0);
    const tokens = lengths.reduce((sum, length) => sum + length, 0);
    expect(padded / tokens).toBeLessThan(1.05);
  });

  test("take texts of concurrent callers together", async () => {
    const { session, shapes } = summingSession();
    const runner = new BatchRunner(session, 0, ["sum"], { maxBatchTokens: 512 });
    await Promise.all(Array.from({ length: 10 }, () => sumsOf(runner, [20, 21])));
    expect(shapes).toHaveLength(1);
  });

  test("that fail reject their own texts only", async () => {
    const { session } = summingSession();
    const runner = new BatchRunner(session, 0, ["sum"], { maxBatchTokens: 16 });
    const outcomes = await Promise.allSettled([runner.run(text(13)), runner.run(text(9))]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
    expect(await sumsOf(runner, [8])).toEqual([8]);
  });
});
