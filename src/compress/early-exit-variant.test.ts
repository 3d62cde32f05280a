import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, tinyTokenizer, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { readConfig } from "../models/config.ts";
import { Tensor } from "../tensor/tensor.ts";
import { padBatch } from "../text/batch.ts";
import type { Dataset } from "../train/task.ts";
import { addEarlyExit } from "./early-exit-variant.ts";
import { checkGolden } from "./gate.ts";
import { openServing } from "./serving-session.ts";

const folder = useTemporaryFolder();
const texts = ["good", "a bad film", "the story was very dull", "a great book, not a film"].map((text) =>
  tinyTokenizer().encode(text),
);
const dataset: Dataset = {
  lengths: texts.map(({ ids }) => ids.length),
  collate: (indices) => ({
    ...padBatch(
      indices.map((at) => texts[at]!),
      { padId: 0 },
    ),
    labels: Tensor.from(
      "int64",
      [indices.length],
      indices.map(() => 0),
    ),
  }),
};

beforeAll(async () => {
  const layers = { num_hidden_layers: 4, ...withLabels("no", "yes") };
  await writeTinyModel(join(folder, "pabee"), tinyConfig("BertForSequenceClassificationWithPabee", layers));
  await writeTinyModel(join(folder, "plain"), tinyConfig("BertForSequenceClassification", layers));
});

describe("addEarlyExit", () => {
  test("adds a variant that stops when classifiers agree and passes the gate", async () => {
    const { folder: at, record } = await addEarlyExit(join(folder, "pabee"), 1, dataset);
    expect(record.kind).toBe("early-exit");
    expect(await readConfig(at)).toMatchObject({ pabee_patience: 1, num_hidden_layers: 4 });
    const session = await openServing(at);
    expect(session.outputs.map(({ name }) => name)).toEqual(["logits", "exit_layer"]);
    await checkGolden(at, session);
    await session.release();
  });

  test("answers as the gate forbids when rows leave elsewhere", async () => {
    const { folder: at } = await addEarlyExit(join(folder, "pabee"), 1, dataset);
    const whole = await openServing(join(folder, "pabee"));
    await expect(checkGolden(at, whole)).rejects.toThrow(/logits of golden batch/);
    await whole.release();
  });

  test("refuses a model without classifiers on its layers, and no patience", async () => {
    await expect(addEarlyExit(join(folder, "plain"), 1, dataset)).rejects.toThrow(/no classifiers/);
    await expect(addEarlyExit(join(folder, "pabee"), 0, dataset)).rejects.toThrow(/from 1, got 0/);
  });
});
