import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyConfig, tinyTokenizer, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { readConfig } from "../models/config.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import type { Session } from "../runtime/session.ts";
import { contentHashOf, hashFiles } from "../store/manifest.ts";
import { prepareEvaluation } from "../tasks/tasks.ts";
import { Tensor } from "../tensor/tensor.ts";
import { readSafetensors, writeSafetensors } from "../weights/safetensors.ts";
import { checkGolden, checkVariant } from "./gate.ts";
import { readGolden } from "./golden.ts";
import { quantizeModel } from "./quantize-model.ts";

const folder = useTemporaryFolder();
const model = join(folder, "model");
const variant = join(model, "variants", "int8");
const config = tinyConfig("BertForSequenceClassification", {
  ...withLabels("no", "yes"),
  hidden_size: 64,
  intermediate_size: 128,
});

beforeAll(async () => {
  await writeTinyModel(model, config);
  const rows = ["good film", "bad", "the story was very dull", "a great book , it was so good !"];
  await writeFile(
    join(folder, "data.csv"),
    `text,label\n${rows.map((row, at) => `"${row}",${at % 2 ? "no" : "yes"}`).join("\n")}\n`,
  );
  const data = await prepareEvaluation(
    "text-classification",
    join(folder, "data.csv"),
    config,
    tinyTokenizer(),
  );
  await quantizeModel({ ...data, folder: model, kind: "dynamic", threads: 1 });
});

/** A copy of the variant beside it, whose recorded hashes are those of its files as they are after `change`. */
async function changed(name: string, change: (folder: string) => Promise<void>): Promise<string> {
  const copy = join(model, "variants", name);
  await cp(variant, copy, { recursive: true });
  await change(copy);
  const path = join(copy, "variant.json");
  const record = JSON.parse(await readFile(path, "utf8"));
  const { "variant.json": _, ...files } = await hashFiles(copy);
  await writeFile(path, JSON.stringify({ ...record, files, contentHash: contentHashOf(files) }));
  return copy;
}

const scaled =
  (factor: number) =>
  async (copy: string): Promise<void> => {
    const path = join(copy, "model.safetensors");
    const tensors = await readSafetensors(path);
    const name = "bert.encoder.layer.1.output.dense.weight_scale";
    const scale = tensors.get(name)!;
    tensors.set(
      name,
      Tensor.from(
        "float32",
        scale.shape,
        scale.toNumbers().map((value) => value * factor),
      ),
    );
    await writeSafetensors(path, tensors, { format: "pt" });
  };

describe("the numeric gate", () => {
  test("lets a variant through that is as it was made, opened in another way than it was recorded", async () => {
    await checkVariant(variant, { threads: 1 });
    await checkVariant(variant, { threads: 2, optimization: "basic" });
    const golden = await readGolden(variant);
    expect(new Set(golden.map(({ inputs }) => inputs.input_ids!.shape.join())).size).toBe(3);
  });

  test("refuses a variant whose scales were corrupted, and names output, difference and tolerance", async () => {
    const corrupt = await changed("corrupt", scaled(1.5));
    await expect(checkVariant(corrupt, { threads: 1 })).rejects.toThrow(
      /variant corrupt: logits of golden batch 0 is off by \S+ of its largest value on cpu, 0\.0\d+ is allowed/,
    );
  });

  test("refuses a variant whose files are not those it was made of", async () => {
    const copy = join(model, "variants", "damaged");
    await cp(variant, copy, { recursive: true });
    await scaled(1.0001)(copy);
    await expect(checkVariant(copy)).rejects.toThrow(
      "variant damaged: model.safetensors is not as it was made",
    );
  });

  test("refuses a session that gives wrong values, other shapes or no numbers", async () => {
    const session = await OrtSession.open({ path: join(variant, "model.onnx") }, { threads: 1 });
    const wrong = (change: (logits: Tensor) => Tensor): Session => ({
      inputs: session.inputs,
      outputs: session.outputs,
      provider: session.provider,
      run: async (feeds, fetches) => ({ logits: change((await session.run(feeds, fetches)).logits!) }),
      profile: () => session.profile(),
      release: () => session.release(),
    });
    await checkGolden(
      variant,
      wrong((logits) => logits),
    );
    const shifted = ({ shape, ...logits }: Tensor): Tensor =>
      Tensor.from(
        "float32",
        shape,
        Array.from(logits.data as Float32Array, (value) => value + 0.1),
      );
    const none = ({ shape, size }: Tensor): Tensor =>
      Tensor.from("float32", shape, Array<number>(size).fill(Number.NaN));
    const flat = (logits: Tensor): Tensor => logits.reshape([logits.size]);
    for (const change of [shifted, none, flat])
      await expect(checkGolden(variant, wrong(change))).rejects.toThrow(/logits of golden batch 0 is off by/);
    await session.release();
  });

  test("has nothing to compare with in a folder that is no variant's", async () => {
    await expect(checkVariant(model)).rejects.toThrow(/model\.onnx|not a variant/);
    expect((await readConfig(variant)).quantization_config).toMatchObject({ quant_method: "tesserae" });
  });
});
