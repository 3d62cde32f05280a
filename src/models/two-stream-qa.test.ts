import { describe, expect, test } from "vitest";
import { runModel, type Tensors } from "../../test/support/run-model.ts";
import { tinyEncoderConfig, tinyEncoders } from "../../test/support/tiny-encoders.ts";
import { tinyConfig } from "../../test/support/tiny-model.ts";
import { Tensor } from "../tensor/tensor.ts";
import { TrainStep } from "../train/step.ts";
import type { ConfigJson } from "./config.ts";
import { architectureFor, architectureOf } from "./registry.ts";

const question = [2, 11, 12, 3];
const passage = [30, 31, 32, 33, 34, 3];

/** A question with its passage, and padding behind. */
function asked(ids: readonly number[] = [...question, ...passage], padding = 0): Tensors {
  const rest = (value: number): number[] => Array(padding).fill(value);
  const row = (values: number[]): Tensor => Tensor.from("int64", [1, values.length], values);
  return {
    input_ids: row([...ids, ...rest(77)]),
    attention_mask: row([...ids.map(() => 1), ...rest(0)]),
    token_type_ids: row([...ids.map((_, at) => (at < question.length ? 0 : 1)), ...rest(0)]),
  };
}

const configOf = (family: string, extra: ConfigJson = {}): ConfigJson => {
  const { name } = architectureFor(family, "question-answering", "two-stream");
  return family === "bert" ? tinyConfig(name, extra) : tinyEncoderConfig(family, name, extra);
};
const families = ["bert", ...tinyEncoders];

const scores = ({ start_logits, end_logits }: Tensors): number[] => [
  ...start_logits!.toNumbers(),
  ...end_logits!.toNumbers(),
];

describe.each(families)("the two-stream head on %s", (family) => {
  test("gives a text the same scores with and without padding", async () => {
    const alone = await runModel(configOf(family), asked());
    const padded = await runModel(configOf(family), asked(undefined, 3), { isSymbolic: true });
    const length = question.length + passage.length;
    for (const side of ["start_logits", "end_logits"] as const) {
      const expected = alone[side]!.toNumbers();
      for (let at = 0; at < length; at++) expect(padded[side]!.toNumbers()[at]).toBeCloseTo(expected[at]!, 4);
    }
  });

  test("trains: the loss of one example falls, and every weight of the head has a gradient", async () => {
    const json = configOf(family, { initializer_range: 0.1 });
    const labels = {
      start_positions: Tensor.from("int64", [1], [5]),
      end_positions: Tensor.from("int64", [1], [6]),
    };
    const batch = { ...asked(), ...labels };
    const gradients = Object.entries(await runModel(json, batch, { gradients: true })).filter(([name]) =>
      name.startsWith("grad.two_stream."),
    );
    expect(gradients).toHaveLength(2 * 10 + 2);
    for (const [name, gradient] of gradients) {
      const isFlat = name.endsWith("key.bias"); // softmax does not change when all scores of a row do
      if (!isFlat) expect([name, gradient.toNumbers().some((value) => value !== 0)]).toEqual([name, true]);
    }
    const step = await TrainStep.open(architectureOf(json), json, { seed: 1 });
    const losses: number[] = [];
    for (let count = 1; count <= 15; count++) losses.push((await step.run([batch], count, 3e-3)).loss);
    await step.release();
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
  });
});

describe("the streams", () => {
  const json = configOf("bert", { num_hidden_layers: 0, two_stream_layers: 1 });

  test("attend to each other in both directions and never to themselves", async () => {
    const { "two_stream_attentions.0": attentions } = await runModel(json, asked(undefined, 2));
    const length = question.length + passage.length + 2;
    const isPassage = (at: number): boolean => at >= question.length && at < length - 2;
    const weights = attentions!.toNumbers();
    for (let from = 0; from < length - 2; from++) {
      for (let to = 0; to < length; to++) {
        const isOther = to < length - 2 && isPassage(from) !== isPassage(to);
        expect([from, to, weights[from * length + to]! > 0]).toEqual([from, to, isOther]);
      }
    }
  });

  test("let the question change the passage's scores, where the encoder itself lets nothing through", async () => {
    const span = tinyConfig("BertForQuestionAnswering", { num_hidden_layers: 0 });
    const other = [2, 13, 14, 3, ...passage];
    const passageScores = async (config: ConfigJson, ids?: number[]): Promise<number[]> =>
      scores(await runModel(config, asked(ids))).filter((_, at) => at % 10 >= question.length);
    expect(await passageScores(span, other)).toEqual(await passageScores(span));
    expect(await passageScores(json, other)).not.toEqual(await passageScores(json));
  });

  test("need token types", async () => {
    const { token_type_ids: _, ...inputs } = asked();
    await expect(runModel(json, inputs)).rejects.toThrow(
      /two-stream head: the input "token_type_ids" is missing/,
    );
  });
});
