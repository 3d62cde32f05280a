/** Cases of position encodings: tables, rotations with their gradients, buckets and index matrices. */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { grad } from "../graph/grad.ts";
import { input, type Node } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { add, mul, sum } from "../graph/ops/core.ts";
import { matmul } from "../graph/ops/matmul.ts";
import { sinusoids } from "../nn/positions.ts";
import { distances, pairIndices } from "../nn/positions-relative.ts";
import { rotaryPositions } from "../nn/positions-rotary.ts";
import { clippedRow, reversedRow } from "../nn/positions-shaw.ts";
import { distanceSinusoids } from "../nn/positions-xlnet.ts";
import { relativeBuckets } from "../nn/t5-positions.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import type { CaseRunner } from "./case.ts";

const count = z.number().int().positive();
const table = z.strictObject({ num_positions: count, dim: count });
const rotation = z.strictObject({
  convention: z.enum(["rotate_half", "interleaved"]),
  base: z.number().positive().default(10000),
  offset: z.number().int().default(0),
  rotary_dim: count.optional(),
});
const buckets = z.strictObject({ bidirectional: z.boolean(), num_buckets: count, max_distance: count });
const lengths = { query_length: count, key_length: count };
const shaw = z.discriminatedUnion("convention", [
  z.strictObject({
    convention: z.literal("hf_relative_key"),
    ...lengths,
    max_position_embeddings: count,
  }),
  z.strictObject({ convention: z.literal("clipped"), ...lengths, clip: count }),
]);
const xlnetTable = z.strictObject({
  qlen: count,
  klen: count,
  d_model: count,
  clamp_len: z.number().int().default(-1),
  attn_type: z.enum(["bi", "uni"]).default("bi"),
});
const named = <T>(schema: z.ZodType<T>) => z.record(z.string(), schema).default({});

const configSchema = z.object({
  sinusoidal_interleaved: named(table),
  sinusoidal_half_split: named(table),
  rope: named(rotation),
  t5_buckets: named(buckets),
  shaw: named(shaw),
  xlnet_relative: named(xlnetTable),
});

type Config = z.infer<typeof configSchema>;
type Nodes = Readonly<Record<string, Node>>;

export const runPositions: CaseRunner = async ({ name, config, inputs }) => {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) throw new ConfigError(`${name}: ${z.prettifyError(parsed.error)}`);
  const nodes = Object.fromEntries(
    [...inputs].map(([key, { dtype, shape }]) => [key, input(fedAs(key), dtype, shape)]),
  );
  const outputs = {
    ...tables(parsed.data),
    ...rotations(parsed.data, nodes),
    ...bucketed(parsed.data, nodes),
  };
  const graph = { inputs: Object.values(nodes), parameters: new Map<Node, string>(), outputs };
  const session = await OrtSession.open({ bytes: encodeOnnx(graph), name });
  try {
    const feeds = Object.fromEntries([...inputs].map(([key, tensor]) => [fedAs(key), tensor]));
    return new Map(Object.entries(await session.run(feeds)));
  } finally {
    await session.release();
  }
};

/** Inputs have names of their own, since a turned query has that of the query. */
const fedAs = (name: string): string => `input.${name}`;

const mapped = <T>(group: string, entries: Readonly<Record<string, T>>, make: (entry: T) => Node): Nodes =>
  Object.fromEntries(Object.entries(entries).map(([key, entry]) => [`${group}.${key}`, make(entry)]));

/** What needs no inputs. */
function tables(config: Config): Nodes {
  return {
    ...mapped("sinusoidal_interleaved", config.sinusoidal_interleaved, ({ num_positions, dim }) =>
      sinusoids(num_positions, dim),
    ),
    ...mapped("sinusoidal_half_split", config.sinusoidal_half_split, ({ num_positions, dim }) =>
      sinusoids(num_positions, dim, "half-split"),
    ),
    ...mapped("shaw", config.shaw, shawIndices),
    ...mapped("xlnet_relative", config.xlnet_relative, ({ qlen, klen, d_model, clamp_len, attn_type }) =>
      distanceSinusoids(klen, attn_type === "bi" ? -qlen : -1, d_model, { clampLength: clamp_len }),
    ),
  };
}

function shawIndices(entry: z.infer<typeof shaw>): Node {
  const between = distances(entry.query_length, entry.key_length);
  const rows =
    entry.convention === "clipped"
      ? clippedRow(between, entry.clip)
      : reversedRow(between, entry.max_position_embeddings - 1);
  return pairIndices(rows, entry.query_length);
}

function bucketed(config: Config, nodes: Nodes): Nodes {
  return mapped("t5_buckets", config.t5_buckets, ({ bidirectional, num_buckets, max_distance }) =>
    relativeBuckets(nodes["t5.relative_position"]!, {
      bidirectional,
      numBuckets: num_buckets,
      maxDistance: max_distance,
    }),
  );
}

/** Turned queries and keys, their products, and gradients of both. */
function rotations({ rope }: Config, nodes: Nodes): Nodes {
  const outputs: Record<string, Node> = {};
  for (const [key, { convention, base, offset, rotary_dim }] of Object.entries(rope)) {
    const own = (name: string): Node => nodes[`rope.${key}.${name}`]!;
    const turned = (name: string): Node => {
      const node = own(name);
      const layout = convention === "interleaved" ? convention : "half-rotation";
      const options = { layout, base, offset, width: rotary_dim } as const;
      return rotaryPositions(node.shape[2]!, node.shape[3] as number, options).rotate!(node);
    };
    const [query, keys] = [turned("query"), turned("key")];
    const loss = add(sum(mul(query, own("cotangent_query"))), sum(mul(keys, own("cotangent_key"))));
    const [dQuery, dKey] = grad(loss, [own("query"), own("key")]);
    outputs[`rope.${key}.query`] = query;
    outputs[`rope.${key}.key`] = keys;
    outputs[`rope.${key}.scores`] = matmul(query, keys, { transB: true });
    outputs[`grad.rope.${key}.query`] = dQuery!;
    outputs[`grad.rope.${key}.key`] = dKey!;
  }
  return outputs;
}
