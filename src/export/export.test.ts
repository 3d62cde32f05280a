/** Exported files in the runtimes that they are for: ONNX Runtime, the ONNX checker and Triton's schema. */

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import protobuf from "protobufjs";
import textformat from "protobufjs/ext/textformat.js";
import { beforeAll, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { tinyVit, writeTinyImageModel } from "../../test/support/tiny-images.ts";
import { tinyConfig, tinyVocab, withLabels, writeTinyModel } from "../../test/support/tiny-model.ts";
import { ModelProto } from "../graph/onnx/schema.ts";
import { openModel } from "../models/open.ts";
import { openHere } from "../runtime/open-here.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import type { Session } from "../runtime/session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type ExportOptions, exportModel } from "./export.ts";

textformat.install();
const folder = useTemporaryFolder();
const at = (...names: string[]): string => join(folder, ...names);
const labels = withLabels("bad", "fine", "good");

beforeAll(async () => {
  await writeTinyModel(at("bert"), tinyConfig("BertForSequenceClassification", labels));
  await writeTinyModel(at("reader"), tinyConfig("BertForQuestionAnswering"));
  await writeTinyImageModel(at("vit"), { ...tinyVit, ...labels });
  const tower = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
  await writeTinyImageModel(at("clip"), {
    architectures: ["CLIPModel"],
    model_type: "clip",
    projection_dim: 8,
    text_config: { ...tower, vocab_size: tinyVocab.length, max_position_embeddings: 24 },
    vision_config: { ...tower, image_size: 16, patch_size: 8 },
    image_size: 16,
  });
});

let number = 0;
async function exported(name: string, options: Partial<ExportOptions>): Promise<string> {
  const out = at(`out-${number++}`);
  await exportModel(at(name), out, { format: "onnx", name, ...options });
  return out;
}

const int64 = (values: readonly number[]): Tensor => Tensor.from("int64", [1, values.length], values);
const feeds = {
  input_ids: int64([2, 7, 20, 9, 3]),
  attention_mask: int64([1, 1, 1, 1, 1]),
  token_type_ids: int64([0, 0, 0, 0, 0]),
};

async function logitsOf(session: Session): Promise<number[]> {
  const { logits } = await session.run(feeds);
  await session.release();
  return logits!.toNumbers();
}

describe("one ONNX file", () => {
  test("gives our answers, under names and symbolic sizes", async () => {
    const path = join(await exported("bert", {}), "model.onnx");
    const session = await OrtSession.open({ path }, { threads: 1 });
    expect(session.inputs.map(({ name, shape }) => [name, ...shape])).toEqual([
      ["input_ids", "batch", "length"],
      ["attention_mask", "batch", "length"],
      ["token_type_ids", "batch", "length"],
    ]);
    const ours = await openModel(at("bert"), { threads: 1 }, openHere);
    const expected = await logitsOf(ours.session);
    (await logitsOf(session)).forEach((value, index) => {
      expect(Math.abs(value - expected[index]!)).toBeLessThan(1e-5);
    });
  });

  test("is written in ONNX's own operators and says what it is", async () => {
    const bytes = readFileSync(join(await exported("bert", { name: "stars" }), "model.onnx"));
    const { opset_import, metadata_props, graph } = ModelProto.toObject(ModelProto.decode(bytes));
    expect(opset_import.map(({ domain }: { domain?: string }) => domain ?? "")).toEqual([""]);
    expect(metadata_props).toContainEqual({ key: "name", value: "stars" });
    expect(metadata_props).toContainEqual({ key: "task", value: "text-classification" });
    const isContrib = ({ domain }: { domain?: string }) => Boolean(domain);
    expect(graph.node.filter(isContrib)).toEqual([]);
  });

  test("has its weights in a second file where one would be too large", async () => {
    const out = await exported("bert", { maxFileBytes: 60_000 });
    expect(readdirSync(out).sort()).toEqual(["model.onnx", "model.onnx_data"]);
    const whole = join(await exported("bert", {}), "model.onnx");
    const [apart, together] = await Promise.all(
      [join(out, "model.onnx"), whole].map(async (path) =>
        logitsOf(await OrtSession.open({ path }, { threads: 1 })),
      ),
    );
    expect(apart).toEqual(together);
  });

  test.for(["fp32", "fp16", "q8", "q4"] as const)(
    "in %s passes the ONNX checker",
    async (precision, { skip }) => {
      const out = await exported("bert", { precisions: [precision] });
      const { status, stdout, stderr } = check(join(out, "model.onnx"));
      if (status === 3) return skip(`no ONNX checker for operator set 21: ${stdout}`);
      expect(stderr).toBe("");
      expect(status).toBe(0);
    },
  );

  test("is not written over files, and one precision is one file", async () => {
    const out = at("taken");
    await exportModel(at("bert"), out, { format: "onnx", name: "bert" });
    await expect(exportModel(at("bert"), out, { format: "onnx", name: "bert" })).rejects.toThrow(
      /is not empty/,
    );
    await expect(exported("bert", { precisions: ["fp32", "fp16"] })).rejects.toThrow(
      /--format onnx takes one precision, got fp32, fp16/,
    );
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("is made of a model, not of its variants", async () => {
    const variant = at("bert", "variants", "int8");
    mkdirSync(variant, { recursive: true });
    writeFileSync(join(variant, "variant.json"), "{}");
    await expect(exportModel(variant, at("x"), { format: "onnx", name: "x" })).rejects.toThrow(/--precision/);
  });
});

/** Runs `onnx.checker`; exit 3 where it is missing or older than our operator set. */
function check(path: string) {
  const script = `
import sys
try:
    import onnx
    from onnx import checker, defs
except ImportError as error:
    print(error); sys.exit(3)
if defs.onnx_opset_version() < 21:
    print("onnx", onnx.__version__, "knows operator sets up to", defs.onnx_opset_version()); sys.exit(3)
checker.check_model(${JSON.stringify(path)}, full_check=True)`;
  const result = spawnSync(process.env.PYTHON ?? "python3", ["-c", script], { encoding: "utf8" });
  return { ...result, status: result.error ? 3 : result.status };
}

describe("a repository for Triton", () => {
  const { root } = protobuf.parse(readFileSync("test/triton/model_config.proto", "utf8"), { keepCase: true });
  const ModelConfig = root.lookupType("inference.ModelConfig");
  const types = { int64: "TYPE_INT64", float32: "TYPE_FP32", float16: "TYPE_FP16" };

  interface TritonTensor {
    name: string;
    data_type: string;
    dims: string[];
  }
  interface TritonConfig {
    name: string;
    backend: string;
    max_batch_size: number;
    input: TritonTensor[];
    output: TritonTensor[];
    dynamic_batching?: object;
  }

  async function repository(name: string): Promise<{ config: TritonConfig; session: InferenceSession }> {
    const out = await exported(name, { format: "triton" });
    const text = readFileSync(join(out, name, "config.pbtxt"), "utf8");
    const config = ModelConfig.toObject(ModelConfig.fromText(text), {
      enums: String,
      longs: String,
      arrays: true,
    });
    const session = await InferenceSession.create(join(out, name, "1", "model.onnx"));
    return { config: config as TritonConfig, session };
  }

  /** Names, types and sizes of the graph as Triton writes them, without the batch. */
  const described = (values: readonly InferenceSession.ValueMetadata[], isBatched: boolean) =>
    values.map((value) => {
      if (!value.isTensor) throw new Error(`${value.name} is no tensor`);
      const dims = value.shape
        .slice(isBatched ? 1 : 0)
        .map((dim) => (typeof dim === "number" ? String(dim) : "-1"));
      return { name: value.name, data_type: types[value.type as keyof typeof types], dims };
    });

  test.each(["bert", "reader", "vit"])(
    "%s: matches the graph, without the batch that Triton adds",
    async (name) => {
      const { config, session } = await repository(name);
      expect(config).toMatchObject({ name, backend: "onnxruntime", max_batch_size: 32 });
      expect(config.input).toMatchObject(described(session.inputMetadata, true));
      expect(config.output).toMatchObject(described(session.outputMetadata, true));
      expect(config.dynamic_batching).toEqual({
        preferred_batch_size: [],
        max_queue_delay_microseconds: "500",
      });
      await session.release();
    },
  );

  test("a model whose tensors have no batch in common is not batched", async () => {
    const { config, session } = await repository("clip");
    expect(config.max_batch_size).toBe(0);
    expect(config.dynamic_batching).toBeUndefined();
    expect(config.input).toMatchObject(described(session.inputMetadata, false));
    expect(config.output).toMatchObject(described(session.outputMetadata, false));
    await session.release();
  });

  test("a name that Triton cannot serve is refused", async () => {
    await expect(exported("bert", { format: "triton", name: "a/b" })).rejects.toThrow(
      /no name of a Triton model/,
    );
  });
});
