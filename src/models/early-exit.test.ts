import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, tinyVocab, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { ConfigError } from "../errors.ts";
import type { ExitRule } from "../runtime/exit-rule.ts";
import { openHere } from "../runtime/open-here.ts";
import type { Session } from "../runtime/session.ts";
import { Random } from "../tensor/random.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { ConfigJson } from "./config.ts";
import { exitRuleOf } from "./early-exit.ts";
import { encodeModel, encodeStages, openModel } from "./open.ts";
import { architectureFor, architectureOf } from "./registry.ts";

const folder = useTemporaryFolder();
const name = "BertForSequenceClassificationWithPabee";
const numLayers = 5;
const configOf = (extra: ConfigJson = {}): ConfigJson =>
  tinyConfig(name, { ...withLabels("a", "b", "c"), num_hidden_layers: numLayers, ...extra });

const random = new Random(3);
const batch = 24;
const length = 11;
const ids = Array.from({ length: batch * length }, () => random.integer(tinyVocab.length));
const lengths = Array.from({ length: batch }, () => 2 + random.integer(length - 1));
const mask = lengths.flatMap((count) => Array.from({ length }, (_, at) => Number(at < count)));

/** Feeds of some rows. */
function feedsOf(rows: readonly number[]): Record<string, Tensor> {
  const shape = [rows.length, length];
  const pick = (values: readonly number[]): number[] =>
    rows.flatMap((row) => values.slice(row * length, (row + 1) * length));
  return {
    input_ids: Tensor.from("int64", shape, pick(ids)),
    attention_mask: Tensor.from("int64", shape, pick(mask)),
    token_type_ids: Tensor.zeros("int64", shape),
  };
}

const all = Array.from({ length: batch }, (_, row) => row);
const row = (values: Tensor, at: number): number[] => {
  const width = values.shape[1]!;
  return values.toNumbers().slice(at * width, (at + 1) * width);
};

/** Every layer's logits of every row, from the whole model. */
async function layerLogits(path: string): Promise<Tensor[]> {
  const names = Array.from({ length: numLayers }, (_, at) => `layer_logits.${at}`);
  const session = await openHere(await encodeModel(path, { capture: names }), { threads: 1 });
  const outputs = await session.run(feedsOf(all), names);
  await session.release();
  return names.map((layer) => outputs[layer]!);
}

/** Where a row leaves by the paper's rule, from 1. */
function exitOf(
  logits: readonly (readonly number[])[],
  { patience, agreement, threshold }: ExitRule,
): number {
  let counter = 0;
  for (let at = 1; at < logits.length; at++) {
    const [before, now] = [logits[at - 1]!, logits[at]!];
    const isSame =
      agreement === "number"
        ? Math.abs(before[0]! - now[0]!) < threshold
        : before.indexOf(Math.max(...before)) === now.indexOf(Math.max(...now));
    counter = isSame ? counter + 1 : 0;
    if (counter === patience) return at + 1;
  }
  return logits.length;
}

/** Checks every patience of a model, all rows at once, against the whole model's classifiers. */
async function checkExits(path: string, config: ConfigJson): Promise<Set<number>> {
  const logits = await layerLogits(path);
  const seen = new Set<number>();
  for (let patience = 1; patience <= numLayers; patience++) {
    const rule = exitRuleOf(architectureOf(config), config, patience)!;
    const session = await openHere(await encodeStages(path, rule), { threads: 1 });
    const together = await session.run(feedsOf(all));
    for (const at of all) {
      const exit = exitOf(
        logits.map((layer) => row(layer, at)),
        rule,
      );
      seen.add(exit);
      expect(Number(together.exit_layer!.data[at]), `patience ${patience}, row ${at}`).toBe(exit);
      const expected = row(logits[exit - 1]!, at);
      for (const [label, value] of row(together.logits!, at).entries()) {
        expect(value).toBeCloseTo(expected[label]!, 4);
      }
    }
    await expectSameAlone(session, together);
    await session.release();
  }
  return seen;
}

async function expectSameAlone(session: Session, together: Record<string, Tensor>): Promise<void> {
  for (const at of all) {
    const alone = await session.run(feedsOf([at]));
    expect(Number(alone.exit_layer!.data[0])).toBe(Number(together.exit_layer!.data[at]));
    for (const [label, value] of row(alone.logits!, 0).entries()) {
      expect(value).toBeCloseTo(row(together.logits!, at)[label]!, 5);
    }
  }
}

let path: string;
beforeAll(async () => {
  path = await writeTinyModel(`${folder}/classifier`, configOf());
});

describe("early exit", () => {
  test("leaves each row where the paper's rule does, in a batch as alone", async () => {
    const seen = await checkExits(path, configOf());
    expect(seen.size).toBeGreaterThanOrEqual(4);
  });

  test("of a regression leaves where numbers settle", async () => {
    const config = configOf({
      ...withLabels("x"),
      problem_type: "regression",
      pabee_regression_threshold: 1.2,
    });
    const seen = await checkExits(await writeTinyModel(`${folder}/regression`, config), config);
    expect(seen.size).toBeGreaterThanOrEqual(3);
  });

  test("gives outputs by name and runs that overlap their own rows", async () => {
    const rule = exitRuleOf(architectureOf(configOf()), configOf(), 1)!;
    const session = await openHere(await encodeStages(path, rule), { threads: 1 });
    expect(session.outputs.map((output) => output.name)).toEqual(["logits", "exit_layer"]);
    const alone = await session.run(feedsOf([5]), ["logits"]);
    expect(Object.keys(alone)).toEqual(["logits"]);
    const [first, second] = await Promise.all([session.run(feedsOf([5])), session.run(feedsOf([9, 2]))]);
    expect(row(first.logits!, 0)).toEqual(row(alone.logits!, 0));
    expect(second.logits!.shape).toEqual([2, 3]);
    const target = Tensor.zeros("float32", [1, 3]);
    expect((await session.run(feedsOf([5]), { logits: target })).logits).toBe(target);
    expect(row(target, 0)).toEqual(row(alone.logits!, 0));
    await expect(session.run({}, ["logits"])).rejects.toThrow(/is missing/);
    await expect(session.run(feedsOf([1]), ["hidden"])).rejects.toThrow(/no output "hidden"/);
    await session.release();
  });

  test("a model opens with the patience of its config, and with a given one before that", async () => {
    const config = configOf({ pabee_patience: 1 });
    const patient = await writeTinyModel(`${folder}/patient`, config);
    const exits = async (patience?: number): Promise<string[]> => {
      const options = { threads: 1, ...(patience !== undefined && { patience }) };
      const { session } = await openModel(patient, options, openHere);
      await session.release();
      return session.outputs.map((output) => output.name);
    };
    expect(await exits()).toContain("exit_layer");
    expect(await exits(0)).toEqual(["logits"]);
  });

  test("a patience that means nothing is refused", async () => {
    const plain = await writeTinyModel(`${folder}/plain`, tinyConfig("BertForSequenceClassification"));
    await expect(openModel(plain, { patience: 2 }, openHere)).rejects.toThrow(
      /BertForSequenceClassification: has no classifiers to exit early/,
    );
    await expect(openModel(path, { patience: 1.5 }, openHere)).rejects.toThrow(/pabeePatience/);
    expect(() =>
      architectureFor("bert", "text-classification", "early-exit").build(configOf({ num_hidden_layers: 0 })),
    ).toThrow(ConfigError);
  });
});
