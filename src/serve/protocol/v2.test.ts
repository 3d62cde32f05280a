/** The Open Inference Protocol on both transports, asked by clients that are ours and by one generated from the proto. */

import { join } from "node:path";
import { credentials, Metadata, type Server, type ServiceError, status } from "@grpc/grpc-js";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { useTemporaryFolder } from "../../../test/support/folder.ts";
import { tinyGpt2 } from "../../../test/support/tiny-generators.ts";
import { pngOf, tinyVit, writeTinyImageModel } from "../../../test/support/tiny-images.ts";
import { tinyConfig, tinyTokenizer, withLabels, writeTinyModel } from "../../../test/support/tiny-model.ts";
import { Catalog } from "../../store/catalog.ts";
import { ModelStore } from "../../store/store.ts";
import { pipeline } from "../../tasks/pipeline.ts";
import type { LabelScore } from "../../tasks/text-classification.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { padBatch } from "../../text/batch.ts";
import { defaultLimits } from "../limits.ts";
import { ServerMetrics } from "../metrics.ts";
import { ModelPool } from "../model-pool.ts";
import { buildServer } from "../server.ts";
import type { V2Client } from "./v2-client.ts";
import { GrpcV2Client } from "./v2-client-grpc.ts";
import { HttpV2Client } from "./v2-client-http.ts";
import { addV2Service, closeGrpc, createGrpcServer, listenGrpc } from "./v2-grpc.ts";
import type { NamedTensor } from "./v2-messages.ts";
import { V2Service as Generated } from "./v2-proto.ts";
import { V2Service } from "./v2-service.ts";
import { BytesTensor } from "./v2-tensors.ts";
import { requestOf, resultIn } from "./v2-text.ts";

const folder = useTemporaryFolder();
let http: FastifyInstance;
let grpc: Server;
let pool: ModelPool;
let grpcAddress: string;
let url: string;
let reviews: string;
let png: Buffer;
const clients: { grpc?: V2Client; http?: V2Client } = {};
const limits = { ...defaultLimits, maxInputs: 64 };

beforeAll(async () => {
  const config = tinyConfig("BertForSequenceClassification", withLabels("bad", "good"));
  reviews = await writeTinyModel(join(folder, "reviews"), config);
  const vit = { ...tinyVit, initializer_range: 0.3, ...withLabels("a", "b", "c") };
  const folders = [
    await writeTinyImageModel(join(folder, "vit"), vit),
    await writeTinyModel(join(folder, "stories"), tinyGpt2),
  ];
  png = await pngOf(16, 3);
  const store = new ModelStore(join(folder, "home"));
  await store.add("reviews", reviews, { task: "text-classification", metrics: {} });
  const catalog = new Catalog(store, join(folder, "none"));
  const session = { threads: 1 };
  http = await buildServer({ catalog, models: folders, session, limits });
  url = await http.listen({ host: "127.0.0.1", port: 0 });

  const metrics = new ServerMetrics(() => pool.openHosts());
  const named = await Promise.all(folders.map((each) => catalog.locate(each)));
  pool = new ModelPool(catalog, named, { maxQueue: 64, session });
  const state = { isWarm: true, isClosing: false };
  grpc = createGrpcServer(4 * 2 ** 20);
  addV2Service(grpc, new V2Service({ pool, metrics, limits, state }));
  grpcAddress = `127.0.0.1:${await listenGrpc(grpc, { host: "127.0.0.1", port: 0 })}`;
  clients.grpc = new GrpcV2Client(grpcAddress);
  clients.http = new HttpV2Client(url);
  await vi.waitUntil(() => clients.http!.isReady(), { timeout: 60_000 });
});
afterAll(async () => {
  clients.grpc?.close();
  await closeGrpc(grpc);
  await pool.closeAll();
  await http.close();
});

const texts = ["a good film", "the story was very dull , and so poor"];

/** The graph's inputs for texts. */
function encoded(sentences: readonly string[]): NamedTensor[] {
  const tokenizer = tinyTokenizer();
  const batch = padBatch(
    sentences.map((text) => tokenizer.encode(text)),
    { padId: tokenizer.padId },
  );
  return ["input_ids", "attention_mask", "token_type_ids"].map((name) => ({
    name,
    tensor: batch[name as keyof typeof batch],
  }));
}

describe.each(["grpc", "http"] as const)("the protocol over %s", (transport) => {
  const client = (): V2Client => clients[transport]!;

  test("tells what the server is", async () => {
    expect([await client().isLive(), await client().isReady()]).toEqual([true, true]);
    const { name, version, extensions } = await client().serverMetadata();
    expect([name, extensions]).toEqual(["tesserae", ["binary_tensor_data"]]);
    expect(version).toMatch(/^\d+\.\d+\.\d+/);
  });

  test("tells a model's versions, its graph's tensors and its text form", async () => {
    const metadata = await client().modelMetadata({ name: "reviews" });
    expect(metadata).toMatchObject({ name: "reviews", versions: ["1"], platform: "onnx_onnxv1" });
    expect(metadata.inputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
      ["input_ids", "INT64", [-1, -1]],
      ["attention_mask", "INT64", [-1, -1]],
      ["token_type_ids", "INT64", [-1, -1]],
      ["inputs", "BYTES", [-1]],
    ]);
    expect(metadata.outputs[0]).toEqual({ name: "logits", datatype: "FP32", shape: [-1, 2] });
    const generator = await client().modelMetadata({ name: "stories" });
    expect(generator.inputs.map(({ name }) => name)).toEqual(["inputs"]);
  });

  test("knows which models are there", async () => {
    expect(await client().isModelReady({ name: "reviews", version: "1" })).toBe(true);
    await expect(client().modelMetadata({ name: "revews" })).rejects.toThrow(/did you mean "reviews"/);
    await expect(client().modelMetadata({ name: "reviews", version: "7" })).rejects.toMatchObject({
      code: "not_found",
    });
  });

  test("runs a graph on tensors, many rows as few", async () => {
    const answer = await client().infer({ name: "reviews" }, { id: "7", inputs: encoded(texts) });
    expect(answer).toMatchObject({ model: "reviews", version: "1", id: "7" });
    const [{ name, tensor }] = answer.outputs as [NamedTensor];
    expect([name, tensor.shape]).toEqual(["logits", [2, 2]]);
    const many = await client().infer(
      { name: "reviews", version: "1" },
      { inputs: encoded(Array(60).fill(texts).flat().slice(0, 60)), outputs: ["logits"] },
    );
    const rows = (many.outputs[0]!.tensor as Tensor).toNumbers();
    (tensor as Tensor).toNumbers().forEach((logit, at) => {
      expect(rows[at + 40]).toBeCloseTo(logit, 4);
    });

    const classify = await pipeline("text-classification", reviews, { provider: "cpu", threads: 1 });
    const scores = (await classify(texts, { top_k: null })).map((each) =>
      each.find(({ label }) => label === "good"),
    );
    const logits = (tensor as Tensor).toNumbers();
    scores.forEach((score, row) => {
      const [bad, good] = logits.slice(row * 2) as [number, number];
      expect(1 / (1 + Math.exp(bad - good))).toBeCloseTo(score!.score, 4);
    });
    await classify.dispose();
  });

  test("answers texts as pipeline() does, one or a list, with its parameters", async () => {
    const classify = await pipeline("text-classification", reviews, { provider: "cpu", threads: 1 });
    const one = requestOf({ inputs: texts[0], parameters: { top_k: null } });
    const several = requestOf({ inputs: texts, parameters: {} });
    const ask = async (request: typeof one): Promise<unknown> =>
      JSON.parse(resultIn(await client().infer({ name: "reviews" }, request)));
    const close = (scores: LabelScore[]) => scores.map(({ label, score }) => [label, score.toFixed(4)]);
    expect(close((await ask(one)) as LabelScore[])).toEqual(
      close(await classify(texts[0]!, { top_k: null })),
    );
    expect(close((await ask(several)) as LabelScore[])).toEqual(close(await classify(texts)));
    await classify.dispose();
  });

  test("takes plain texts and scalar parameters, as any client would send them", async () => {
    const answer = await client().infer(
      { name: "reviews" },
      {
        parameters: { top_k: 2 },
        inputs: [{ name: "inputs", tensor: BytesTensor.ofTexts([1], [texts[0]!]) }],
      },
    );
    const [document] = (answer.outputs[0]!.tensor as BytesTensor).texts();
    expect(JSON.parse(document!)).toHaveLength(2);
  });

  test("takes the files of pictures", async () => {
    const request = requestOf({ inputs: [new Uint8Array(png)], parameters: { top_k: 1 } });
    const [[best]] = JSON.parse(resultIn(await client().infer({ name: "vit" }, request)));
    expect(best.label).toMatch(/^[abc]$/);
  });

  const ids = (shape: number[], data: number[]) => ({
    name: "input_ids",
    tensor: Tensor.from("int64", shape, data),
  });
  const [, mask, types] = encoded(["a"]);
  test.each([
    ["a missing input", "reviews", [mask!, types!], "shape", /feed "input_ids" is missing/],
    [
      "an unknown input",
      "reviews",
      [...encoded(["a"]), { ...mask!, name: "extra" }],
      "shape",
      /no input "extra"/,
    ],
    ["another rank", "reviews", [ids([3], [1, 2, 3]), mask!, types!], "shape", /input_ids: expected int64/],
    [
      "another element type",
      "reviews",
      [{ name: "input_ids", tensor: Tensor.zeros("float32", [1, 3]) }, mask!, types!],
      "shape",
      /expected int64/,
    ],
    ["sizes that differ", "reviews", [ids([1, 5], [1, 2, 3, 4, 5]), mask!, types!], "shape", /length is 3/],
    [
      "no rows",
      "reviews",
      encoded(["a"]).map(({ name }) => ({ name, tensor: Tensor.zeros("int64", [0, 3]) })),
      "shape",
      /batch must be at least 1/,
    ],
    [
      "more tokens than fit",
      "reviews",
      encoded(["a"]).map(({ name }) => ({ name, tensor: Tensor.zeros("int64", [1, 65]) })),
      "shape",
      /at most 64/,
    ],
    ["more rows than allowed", "reviews", encoded(Array(65).fill("a")), "request", /at most 64 rows/],
    [
      "ids out of the vocabulary",
      "reviews",
      [ids([1, 3], [1, 999_999, 2]), mask!, types!],
      "request",
      /cannot compute/,
    ],
    ["an input twice", "reviews", [...encoded(["a"]), mask!], "request", /given twice/],
    [
      "texts for a graph",
      "reviews",
      [{ name: "input_ids", tensor: BytesTensor.ofTexts([1], ["a"]) }],
      "request",
      /text form/,
    ],
    [
      "tensors for a model of several graphs",
      "stories",
      encoded(["a"]),
      "unsupported",
      /more than one graph/,
    ],
    [
      "bad UTF-8",
      "reviews",
      [{ name: "inputs", tensor: new BytesTensor([1], [Buffer.from([0xc3, 0x28])]) }],
      "request",
      /UTF-8/,
    ],
    ["an unknown model", "nowhere", encoded(["a"]), "not_found", /nowhere/],
  ])("refuses %s", async (_, name, inputs, code, message) => {
    const failure = client().infer({ name }, { inputs });
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toMatchObject({ code });
  });

  test("refuses an output that is not there, and an unknown option", async () => {
    await expect(
      client().infer({ name: "reviews" }, { inputs: encoded(texts), outputs: ["scores"] }),
    ).rejects.toMatchObject({ code: "shape" });
    await expect(
      client().infer({ name: "reviews" }, requestOf({ inputs: "a", parameters: { k: 1 } })),
    ).rejects.toThrow(/options/);
  });

  test("gives up at the deadline and when the caller does", async () => {
    const request = requestOf({
      inputs: "the book of",
      parameters: { max_new_tokens: 150, min_new_tokens: 150, num_beams: 16 },
    });
    await expect(client().infer({ name: "stories" }, request, { deadlineMs: 1 })).rejects.toMatchObject({
      code: "deadline",
    });
    const gone = new AbortController();
    const dropped = client().infer({ name: "stories" }, request, { signal: gone.signal });
    setTimeout(() => gone.abort(), 20);
    await expect(dropped).rejects.toMatchObject({ code: "interrupted" });
  });
});

describe("a client that cannot reach its server", () => {
  test.each([
    ["gRPC", () => new GrpcV2Client("127.0.0.1:1")],
    ["HTTP", () => new HttpV2Client("http://127.0.0.1:1")],
  ])("says so over %s", async (_, connect) => {
    const client = connect();
    await expect(client.isLive({ deadlineMs: 60_000 })).rejects.toMatchObject({ code: "unavailable" });
    client.close();
  });
});

describe("a client generated from the proto", () => {
  type Answer = { outputs: { shape: string[]; datatype: string }[]; raw_output_contents: Buffer[] };
  const call = (method: string, message: object): Promise<Answer> => {
    const client = new Generated(grpcAddress, credentials.createInsecure());
    return new Promise<Answer>((resolve, reject) => {
      const done = (error: ServiceError | null, answer: Answer): void =>
        error ? reject(error) : resolve(answer);
      client[method]!(message, new Metadata(), done);
    }).finally(() => client.close());
  };
  const row = (name: string) => ({
    name,
    datatype: "INT64",
    shape: [1, 3],
    contents: { int64_contents: [2, 9, 3] },
  });
  const ofZeros = (name: string) => ({ ...row(name), contents: { int64_contents: [0, 0, 0] } });
  const inputs = [
    row("input_ids"),
    { ...row("attention_mask"), contents: { int64_contents: [1, 1, 1] } },
    ofZeros("token_type_ids"),
  ];

  test("sends typed contents", async () => {
    const answer = await call("ModelInfer", { model_name: "reviews", inputs });
    expect(answer.outputs).toMatchObject([{ datatype: "FP32", shape: ["1", "2"] }]);
    expect(answer.raw_output_contents[0]).toHaveLength(8);
  });

  test.each([
    ["ModelMetadata", { name: "nowhere" }, status.NOT_FOUND],
    ["ModelReady", { name: "../etc" }, status.NOT_FOUND],
    ["ModelInfer", { model_name: "nowhere", inputs }, status.NOT_FOUND],
    [
      "ModelInfer",
      { model_name: "reviews", inputs: [{ ...inputs[0], shape: [-1, 3] }] },
      status.INVALID_ARGUMENT,
    ],
    [
      "ModelInfer",
      { model_name: "reviews", inputs: [{ ...inputs[0], shape: [1, 4] }] },
      status.INVALID_ARGUMENT,
    ],
    [
      "ModelInfer",
      { model_name: "reviews", inputs: [{ ...inputs[0], datatype: "FP16" }] },
      status.INVALID_ARGUMENT,
    ],
    [
      "ModelInfer",
      { model_name: "reviews", inputs: [{ ...inputs[0], datatype: "toString" }] },
      status.INVALID_ARGUMENT,
    ],
    [
      "ModelInfer",
      { model_name: "reviews", inputs, raw_input_contents: [Buffer.alloc(8)] },
      status.INVALID_ARGUMENT,
    ],
    [
      "ModelInfer",
      { model_name: "reviews", inputs, raw_input_contents: inputs.map(() => Buffer.alloc(7)) },
      status.INVALID_ARGUMENT,
    ],
    ["ModelInfer", { model_name: "reviews", inputs: inputs.slice(1) }, status.INVALID_ARGUMENT],
    ["ModelInfer", { model_name: "stories", inputs }, status.UNIMPLEMENTED],
    [
      "ModelInfer",
      {
        model_name: "reviews",
        inputs,
        raw_input_contents: [Buffer.alloc(5 * 2 ** 20), Buffer.alloc(0), Buffer.alloc(0)],
      },
      status.RESOURCE_EXHAUSTED,
    ],
  ])("learns by the status of %s what was wrong with %j", async (method, message, code) => {
    await expect(call(method, message)).rejects.toMatchObject({ code });
  });
});

describe("HTTP bodies of the protocol", () => {
  const infer = (payload: string | Buffer, headers: Record<string, string> = {}) =>
    http.inject({
      method: "POST",
      url: "/v2/models/reviews/versions/1/infer",
      headers: { "content-type": "application/json", ...headers },
      payload,
    });
  const json = (body: object) => infer(JSON.stringify(body));
  const ids = { name: "input_ids", datatype: "INT64", shape: [1, 3], data: [[2, 9, 3]] };
  const inputs = [
    ids,
    { ...ids, name: "attention_mask", data: [1, 1, 1] },
    { ...ids, name: "token_type_ids", data: [0, 0, 0] },
  ];

  test("are JSON, with nested or flat data", async () => {
    const response = await json({ id: "x", inputs });
    expect(response.statusCode).toBe(200);
    expect(response.json()).toMatchObject({
      model_name: "reviews",
      model_version: "1",
      id: "x",
      outputs: [{ name: "logits", datatype: "FP32", shape: [1, 2] }],
    });
    expect(response.json().outputs[0].data).toHaveLength(2);
  });

  test("give one output in binary form where it is asked for", async () => {
    const outputs = [{ name: "logits", parameters: { binary_data: true } }];
    const response = await json({ inputs, outputs });
    const jsonBytes = Number(response.headers["inference-header-content-length"]);
    const head = JSON.parse(response.rawPayload.subarray(0, jsonBytes).toString());
    expect(head.outputs[0].parameters).toEqual({ binary_data_size: 8 });
    expect(response.rawPayload.length).toBe(jsonBytes + 8);
  });

  test.each([
    ["broken JSON", "{", {}, /JSON/],
    ["no inputs", "{}", {}, /body.inputs/],
    [
      "deep JSON in a text",
      {
        inputs: [
          {
            name: "inputs",
            datatype: "BYTES",
            shape: [1],
            data: [`{"a":${"[".repeat(9000)}${"]".repeat(9000)}}`],
          },
        ],
      },
      {},
      /64 levels/,
    ],
    ["a negative size", { inputs: [{ ...ids, shape: [-1, 3] }] }, {}, /shape/],
    ["fewer elements than the shape says", { inputs: [{ ...ids, data: [1] }] }, {}, /has 3 elements, got 1/],
    ["a shape beyond all memory", { inputs: [{ ...ids, shape: [9e15, 9e15] }] }, {}, /got 3/],
    ["arrays nested too deep", { inputs: [{ ...ids, data: [[[[2]]], 9, 3] }] }, {}, /whole numbers/],
    ["texts for numbers", { inputs: [{ ...ids, data: ["2", "9", "3"] }] }, {}, /whole numbers/],
    [
      "a number that does not fit",
      { inputs: [{ ...ids, datatype: "INT8", data: [2, 9, 300] }] },
      {},
      /300 at element 3/,
    ],
    ["an unknown datatype", { inputs: [{ ...ids, datatype: "BF16" }] }, {}, /no datatype "BF16"/],
    [
      "binary data that is not there",
      { inputs: [{ ...ids, data: undefined, parameters: { binary_data_size: 24 } }] },
      {},
      /does not fit/,
    ],
    [
      "a header beyond the body",
      "{}",
      { "content-type": "application/octet-stream", "inference-header-content-length": "99" },
      /expected the bytes/,
    ],
    [
      "bytes that belong to nothing",
      `${JSON.stringify({ inputs })}0000`,
      {
        "content-type": "application/octet-stream",
        "inference-header-content-length": String(JSON.stringify({ inputs }).length),
      },
      /belong to no tensor/,
    ],
  ])("are refused with %s", async (_, body, headers, detail) => {
    const payload = typeof body === "string" ? body : JSON.stringify(body);
    const response = await infer(payload, headers as Record<string, string>);
    expect([response.statusCode, response.headers["content-type"]]).toEqual([
      400,
      expect.stringContaining("problem+json"),
    ]);
    expect(response.json().detail).toMatch(detail);
    expect(response.json().error).toBe(response.json().detail);
  });

  test("unknown routes of the protocol have its error field too", async () => {
    const { error, code } = (await http.inject("/v2/nothing")).json();
    expect([code, error]).toEqual(["not_found", expect.stringContaining("no such route")]);
  });

  test("a deadline that is no number is refused by name", async () => {
    const response = await infer(JSON.stringify({ inputs }), { "x-deadline-ms": "soon" });
    expect([response.statusCode, response.json().detail]).toEqual([
      400,
      expect.stringMatching(/^x-deadline-ms/),
    ]);
  });
});
