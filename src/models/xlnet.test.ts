import { describe, expect, test } from "vitest";
import { runModel, type Tensors } from "../../test/support/run-model.ts";
import { tinyEncoderConfig } from "../../test/support/tiny-encoders.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ConfigJson } from "./config.ts";

const configOf = (extra: ConfigJson = {}, architecture = "XLNetModel"): ConfigJson =>
  tinyEncoderConfig("xlnet", architecture, extra);

const ids = (...rows: number[][]): Tensor =>
  Tensor.from("int64", [rows.length, rows[0]!.length], rows.flat());
const text = [11, 25, 37, 8, 60, 14, 42, 29];

/** States [D] of every token of the first text. */
function statesOf({ last_hidden_state: states }: Tensors, row = 0): number[][] {
  const [, length, width] = states!.shape as [number, number, number];
  return Array.from({ length }, (_, at) =>
    Array.from((states!.data as Float32Array).subarray((row * length + at) * width).subarray(0, width)),
  );
}

function expectClose(actual: readonly number[][], expected: readonly number[][]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [row, values] of expected.entries()) {
    for (const [at, value] of values.entries()) expect(actual[row]![at]).toBeCloseTo(value, 4);
  }
}

/** Positions whose states another token at `at` changes. */
async function changedBy(at: number, json: ConfigJson, extra: Tensors = {}): Promise<number[]> {
  const [before, after] = await Promise.all(
    [text, text.with(at, 77)].map(async (tokens) =>
      statesOf(await runModel(json, { input_ids: ids(tokens), ...extra })),
    ),
  );
  return before!.flatMap((state, position) =>
    state.some((value, i) => Math.abs(value - after![position]![i]!) > 1e-5) ? [position] : [],
  );
}

const memoriesOf = (outputs: Tensors): Tensors =>
  Object.fromEntries(
    Object.entries(outputs).flatMap(([name, tensor]) =>
      name.startsWith("new_mems.") ? [[name.replace("new_", ""), tensor]] : [],
    ),
  );

describe("memory", () => {
  const uni = { attn_type: "uni" };

  test("continues a text as if it were read whole", async () => {
    const whole = statesOf(await runModel(configOf(uni), { input_ids: ids(text) }));
    const first = await runModel(configOf(uni), { input_ids: ids(text.slice(0, 5)) });
    const second = await runModel(configOf(uni), { input_ids: ids(text.slice(5)), ...memoriesOf(first) });
    expectClose(statesOf(second), whole.slice(5));
  });

  test("goes through padding, segments and both directions", async () => {
    const feeds = (tokens: number[]): Tensors => ({
      input_ids: ids(tokens),
      attention_mask: ids(tokens.map(() => 1)),
      token_type_ids: ids(tokens.map(() => 0)),
    });
    const first = await runModel(configOf(), feeds(text.slice(0, 5)));
    const remembering = await runModel(configOf(), { ...feeds(text.slice(5)), ...memoriesOf(first) });
    const forgetting = await runModel(configOf(), feeds(text.slice(5)));
    expect(Math.abs(statesOf(remembering)[0]![0]! - statesOf(forgetting)[0]![0]!)).toBeGreaterThan(1e-4);
  });

  test("is as long as mem_len and reuse_len say", async () => {
    const lengthOf = async (extra: ConfigJson): Promise<number> =>
      (await runModel(configOf(extra), { input_ids: ids(text) }))["new_mems.0"]!.shape[0]!;
    expect(await lengthOf({})).toBe(8);
    expect(await lengthOf({ mem_len: 3 })).toBe(3);
    expect(await lengthOf({ mem_len: null, reuse_len: 5 })).toBe(5);
    const first = await runModel(configOf({ mem_len: 6 }), { input_ids: ids(text) });
    const next = await runModel(configOf({ mem_len: 10 }), { input_ids: ids(text), ...memoriesOf(first) });
    expect(next["new_mems.1"]!.shape).toEqual([10, 1, 32]);
  });
});

describe("what a token sees", () => {
  test("is everything, or with attn_type uni only what came before", async () => {
    expect(await changedBy(4, configOf())).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(await changedBy(4, configOf({ attn_type: "uni" }))).toEqual([4, 5, 6, 7]);
  });

  test("is as much for every token with same_length", async () => {
    const json = configOf({ attn_type: "uni", same_length: true, n_layer: 1 });
    const memory = Tensor.from(
      "float32",
      [2, 1, 32],
      Array.from({ length: 64 }, (_, at) => Math.sin(at)),
    );
    expect(await changedBy(1, json, { "mems.0": memory })).toEqual([1, 2, 3]);
  });

  test("leaves out what the permutation forbids, but never its own content", async () => {
    const forbidding = new Float32Array(64);
    for (let i = 0; i < 8; i++) for (let j = i; j < 8; j++) forbidding[i * 8 + j] = 1; // only those before
    const perm_mask = new Tensor("float32", [1, 8, 8], forbidding);
    expect(await changedBy(4, configOf(), { perm_mask })).toEqual([4, 5, 6, 7]);
  });

  test("does not include the target itself in the query stream", async () => {
    const target = 4;
    const perm_mask = Tensor.zeros("float32", [1, 8, 8]);
    for (let i = 0; i < 8; i++) perm_mask.data[i * 8 + target] = 1;
    const target_mapping = Tensor.zeros("float32", [1, 1, 8]);
    target_mapping.data[target] = 1;
    expect(await changedBy(target, configOf(), { perm_mask, target_mapping })).toEqual([]);
    expect(await changedBy(2, configOf(), { perm_mask, target_mapping })).toEqual([0]);
  });

  test("is the same by input_mask as by attention_mask", async () => {
    const mask = [0, 0, 1, 1, 1, 1, 1, 1];
    const attended = await runModel(configOf(), { input_ids: ids(text), attention_mask: ids(mask) });
    const input_mask = Tensor.from(
      "float32",
      [1, 8],
      mask.map((value) => 1 - value),
    );
    const padded = await runModel(configOf(), { input_ids: ids(text), input_mask });
    expectClose(statesOf(padded), statesOf(attended));
  });
});

describe("distances", () => {
  test("beyond clamp_len count as it", async () => {
    const swapped = [text[1]!, text[0]!, ...text.slice(2)];
    const lastOf = async (tokens: number[], extra: ConfigJson): Promise<number[]> =>
      statesOf(await runModel(configOf({ n_layer: 1, ...extra }), { input_ids: ids(tokens) })).at(-1)!;
    const clamped = await Promise.all([text, swapped].map((tokens) => lastOf(tokens, { clamp_len: 3 })));
    const free = await Promise.all([text, swapped].map((tokens) => lastOf(tokens, {})));
    expectClose([clamped[0]!], [clamped[1]!]);
    expect(free[0]!.some((value, at) => Math.abs(value - free[1]![at]!) > 1e-4)).toBe(true);
  });

  test("have the other sign in the second half of a batch with bi_data", async () => {
    const forward = statesOf(await runModel(configOf(), { input_ids: ids(text) }));
    const both = await runModel(configOf({ bi_data: true }), { input_ids: ids(text, text.toReversed()) });
    expectClose(statesOf(both, 0), forward);
    expectClose(statesOf(both, 1), forward.toReversed());
    await expect(runModel(configOf({ bi_data: true }), { input_ids: ids(text) })).rejects.toThrow(
      /even size/,
    );
  });
});

describe("question answering with ends given starts", () => {
  const json = configOf({ start_n_top: 3, end_n_top: 2 }, "XLNetForQuestionAnswering");
  const asked = { input_ids: ids(text, text.toReversed()) };

  test("gives the best starts and the best ends of each, with their probabilities", async () => {
    const outputs = await runModel(json, asked);
    expect(outputs.start_top_log_probs!.shape).toEqual([2, 3]);
    expect(outputs.end_top_index!.shape).toEqual([2, 6]);
    expect(outputs.cls_logits!.shape).toEqual([2]);
    const starts = outputs.start_top_log_probs!.toNumbers();
    expect(starts[0]).toBeGreaterThanOrEqual(starts[1]!);
    const ends = outputs.end_top_log_probs!.toNumbers();
    for (let start = 0; start < 3; start++) expect(ends[start]).toBeGreaterThanOrEqual(ends[3 + start]!);
  });

  test("leaves out the tokens of p_mask", async () => {
    const p_mask = Tensor.from(
      "float32",
      [2, 8],
      Array.from({ length: 16 }, (_, at) => Number(at % 8 < 4)),
    );
    const { start_top_index, end_top_index } = await runModel(json, { ...asked, p_mask });
    for (const tensor of [start_top_index!, end_top_index!])
      expect(Math.min(...tensor.toNumbers())).toBeGreaterThanOrEqual(4);
  });

  test("has a loss of the spans, and of there being none", async () => {
    const positions = {
      start_positions: Tensor.from("int64", [2], [1, 2]),
      end_positions: Tensor.from("int64", [2], [3, 2]),
    };
    const answerless = {
      cls_index: Tensor.from("int64", [2], [7, 7]),
      is_impossible: Tensor.from("float32", [2], [0, 1]),
    };
    const [spans, both] = await Promise.all(
      [positions, { ...positions, ...answerless }].map((labels) =>
        runModel(json, { ...asked, ...labels }, { gradients: true }),
      ),
    );
    expect(Number(both!.loss!.data[0])).toBeGreaterThan(Number(spans!.loss!.data[0]));
    const sizeOf = (tensors: Tensors): number =>
      Math.max(...tensors["grad.answer_class.dense_0.weight"]!.toNumbers().map(Math.abs));
    expect(sizeOf(spans!)).toBe(0);
    expect(sizeOf(both!)).toBeGreaterThan(0);
  });
});
