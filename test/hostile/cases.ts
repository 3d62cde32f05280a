/** Requests that mean harm, drawn from a seed: each is to be answered with a typed 4xx, or answered as any other. */

import { gzipSync } from "node:zlib";
import { Random } from "../../src/tensor/random.ts";

/** One request; the method is POST unless it says otherwise. */
export interface HostileCase {
  readonly kind: string;
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

const json = { "content-type": "application/json" };

type Maker = (random: Random, model: string) => HostileCase;

const pick = <T>(random: Random, items: readonly T[]): T => items[random.integer(items.length)]!;

const strangeValues: readonly string[] = [
  "null",
  "true",
  "-0",
  "1e999",
  "-1e-999",
  "123456789012345678901234567890",
  '""',
  '"\\u0000"',
  '"\\ud800"',
  "[]",
  "{}",
  "[[[[[]]]]]",
  '{"__proto__":{"isAdmin":true}}',
  '{"constructor":{"prototype":{}}}',
  '{"toString":1}',
  '[null,1,"a",{}]',
  `"${"a".repeat(5000)}"`,
];

/** A JSON document with some bytes changed, lost or doubled. */
const mangled = (random: Random, text: string): string => {
  const marks = [...text];
  for (let edits = 1 + random.integer(4); edits > 0; edits--) {
    const at = random.integer(marks.length);
    marks.splice(
      at,
      random.integer(3),
      pick(random, ['"', "{", "}", "[", "]", ",", ":", "\\", "\u0000", "9", "é", "💥"]),
    );
  }
  return marks.join("");
};

const predictPath = (model: string): string => `/v1/predict/${model}`;
const inferPath = (model: string): string => `/v2/models/${model}/infer`;

const brokenJson: Maker = (random, model) => ({
  kind: "fuzzed JSON",
  path: pick(random, [
    predictPath(model),
    inferPath(model),
    "/v1/embeddings",
    "/v1/completions",
    "/v1/route",
  ]),
  headers: json,
  body: mangled(
    random,
    JSON.stringify({ inputs: ["a film"], model, parameters: { top_k: 2 }, stream: false }),
  ),
});

const strangeFields: Maker = (random, model) => {
  const field = pick(random, [
    "inputs",
    "parameters",
    "stream",
    "model",
    "input",
    "prompt",
    "id",
    "outputs",
    "__proto__",
  ]);
  return {
    kind: "fields of a strange type",
    path: pick(random, [
      predictPath(model),
      inferPath(model),
      "/v1/embeddings",
      "/v1/completions",
      "/v1/route",
    ]),
    headers: json,
    body: `{"inputs":${random.uniform() < 0.5 ? '"a"' : pick(random, strangeValues)},${JSON.stringify(field)}:${pick(random, strangeValues)}}`,
  };
};

const deepJson: Maker = (random, model) => {
  const depth = 70 + random.integer(20_000);
  const [open, close] = pick(random, [
    ["[", "]"],
    ['{"a":', "}"],
  ] as const);
  return {
    kind: "deep JSON",
    path: predictPath(model),
    headers: json,
    body: `{"inputs":"a","parameters":{"x":${open.repeat(depth)}1${close.repeat(depth)}}}`,
  };
};

const lyingTensor: Maker = (random, model) => {
  const size = pick(random, [0, 1, 2, -1, 3, 1e6, 2 ** 31, 2 ** 53, 1e300, 1.5]);
  const shape = Array.from({ length: random.integer(5) }, () => pick(random, [size, 1, 2, 4]));
  const data = Array.from({ length: random.integer(6) }, () =>
    pick(random, [0, 1, -5, 1e9, 3.5, "a", null, true]),
  );
  const datatype = pick(random, ["INT64", "FP32", "BYTES", "BOOL", "UINT8", "FP16", "INT65", ""]);
  const name = pick(random, ["input_ids", "attention_mask", "inputs", "nothing", "__proto__"]);
  return {
    kind: "a tensor with a lying shape",
    path: inferPath(model),
    headers: json,
    body: JSON.stringify({ inputs: [{ name, shape, datatype, data }] }),
  };
};

const lyingBinary: Maker = (random, model) => {
  const header = JSON.stringify({
    inputs: [
      {
        name: "input_ids",
        shape: [1, pick(random, [4, 4000, 2 ** 40])],
        datatype: "INT64",
        parameters: { binary_data_size: pick(random, [0, 31, 32, 64, -1, 2 ** 40]) },
      },
    ],
  });
  const body = Buffer.concat([Buffer.from(header), Buffer.alloc(random.integer(64), random.integer(256))]);
  const length = pick(random, [header.length, 0, -1, body.length + 10, 1e12, header.length - 3]);
  return {
    kind: "binary tensors that lie",
    path: inferPath(model),
    headers: {
      "content-type": "application/octet-stream",
      "inference-header-content-length": String(length),
    },
    body,
  };
};

const paths: readonly string[] = [
  "/v1/predict/..%2f..%2f..%2fetc%2fpasswd",
  "/v1/predict/%2e%2e%2f%2e%2e",
  "/v1/predict/%00",
  "/v1/predict/a%00.json",
  "/v1/predict/%c0%ae%c0%ae%c0%af",
  "/v1/predict/C:%5cWindows",
  "/v1/predict/%2fetc%2fpasswd",
  "/v1/predict/file:%2f%2f%2fetc",
  "/v2/models/..%2f..%2fkeys.json/infer",
  "/v2/models/x/versions/..%2f..%2f1/infer",
  "/v1/predict/__proto__",
  "/v1/predict/constructor",
  `/v1/predict/${"a".repeat(3000)}`,
  "/v1/predict/%",
  "/v1/predict/%zz",
  "//etc/passwd",
  "/../../etc/passwd",
  "/v1/models/..%2f..%2fkeys.json",
  "/admin/swap",
  "/admin/drain",
];

const pathTrick: Maker = (random) => ({
  kind: "path tricks",
  path: pick(random, paths),
  method: pick(random, ["POST", "GET", "DELETE", "PUT"]),
  headers: json,
  body: '{"inputs":"a","name":"../x"}',
});

/** Packs a thousandfold; made once, since packing would hold up whoever draws cases while others ask. */
const bomb = gzipSync(Buffer.alloc(1_000_000));

const headerTrick: Maker = (random, model) => ({
  kind: "strange headers",
  path: predictPath(model),
  headers: {
    ...json,
    ...pick<Record<string, string>>(random, [
      { "x-deadline-ms": pick(random, ["-1", "0", "NaN", "1e999", "a", "0x10"]) },
      { "x-priority": "highest" },
      { "x-tenant": "a".repeat(200) },
      {
        "content-type": pick(random, [
          "text/plain",
          "application/xml",
          "multipart/form-data; boundary=",
          "a/b",
          "image/png",
        ]),
      },
      { "content-encoding": pick(random, ["gzip", "br", "deflate", "identity, gzip"]) },
      { "x-flood": "a".repeat(20_000) },
    ]),
  },
  body: random.uniform() < 0.5 ? '{"inputs":"a","x":1}' : bomb,
});

const tooMuch: Maker = (random, model) => ({
  kind: "more than may be",
  path: predictPath(model),
  headers: json,
  body: JSON.stringify(
    pick(random, [
      { inputs: Array(257).fill("a") },
      { inputs: "a".repeat(100_001) },
      { inputs: { text: "a".repeat(200_000) } },
    ]),
  ),
});

/** Addresses that a server must not be sent to. */
export const forbiddenAddresses: readonly string[] = [
  "http://127.0.0.1:1/a.png",
  "http://localhost/a.png",
  "http://[::1]/a.png",
  "http://0.0.0.0/a.png",
  "http://10.1.2.3/a.png",
  "http://192.168.0.1/a.png",
  "http://172.16.9.9/a.png",
  "http://169.254.169.254/latest/meta-data",
  "http://[::ffff:127.0.0.1]/a.png",
  "http://[fd00:ec2::254]/",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0177.0.0.1/",
  "http://127.1/",
  "file:///etc/passwd",
  "gopher://127.0.0.1/",
  "http://user:pass@example.org/",
  "ftp://127.0.0.1/a.png",
];

const forgedAddress: Maker = (random) => ({
  kind: "addresses of what only the server reaches",
  path: predictPath("pictures"),
  headers: json,
  body: JSON.stringify({ inputs: pick(random, forbiddenAddresses) }),
});

const brokenPicture: Maker = (random) => {
  const start = pick(random, [
    "\x89PNG\r\n\x1a\n",
    "\xff\xd8\xff\xe0",
    "GIF89a",
    "RIFF\x00\x00\x00\x00WEBP",
    "<svg xmlns=",
    "BM",
    "",
  ]);
  const rest = Buffer.from(Array.from({ length: random.integer(400) }, () => random.integer(256)));
  const bytes = Buffer.concat([Buffer.from(start, "latin1"), rest]);
  return {
    kind: "damaged pictures",
    path: predictPath("pictures"),
    headers: { "content-type": "image/png" },
    body: bytes.length > 0 ? bytes : Buffer.from([0]),
  };
};

const makers: readonly Maker[] = [
  brokenJson,
  strangeFields,
  deepJson,
  lyingTensor,
  lyingBinary,
  pathTrick,
  headerTrick,
  tooMuch,
  forgedAddress,
  brokenPicture,
];

/** The case of a number; the same number gives the same case. `model` reads texts; `pictures` is served too. */
export function hostileCase(number: number, model: string): HostileCase {
  const random = new Random(number);
  return makers[number % makers.length]!(random, model);
}
