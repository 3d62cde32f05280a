/** Cases of the attention operators: torch.nn.MultiheadAttention and scaled dot product attention. */

import { join } from "node:path";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { grad } from "../graph/grad.ts";
import { input, type Node } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { add, mul, reshape, sum } from "../graph/ops/core.ts";
import { cast } from "../graph/ops/select.ts";
import { split, unsqueeze } from "../graph/ops/shape.ts";
import { causalBias, forbidden, joinHeads, scaledDotProductAttention, splitHeads } from "../nn/attention.ts";
import { Context } from "../nn/context.ts";
import { linear } from "../nn/linear.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { isFloat } from "../tensor/dtype.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import type { CaseRunner, Tensors } from "./case.ts";

const configSchema = z.object({
  multi_head_attention: z
    .record(z.string(), z.object({ num_heads: z.number().int().positive() }))
    .default({}),
  scaled_dot_product_attention: z
    .record(z.string(), z.object({ is_causal: z.boolean().default(false), scale: z.number().optional() }))
    .default({}),
});

type Nodes = Readonly<Record<string, Node>>;

/** What a sub-case computes. */
interface Attended {
  readonly output: Node;
  readonly attn_weights: Node;
}

export const runAttention: CaseRunner = async ({ name, folder, config, inputs }) => {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) throw new ConfigError(`${name}: ${parsed.error.issues[0]!.message}`);
  const weights = await readSafetensors(join(folder, "model.safetensors")).catch(() => new Map() as Tensors);
  const tensors = new Map([...inputs, ...weights]);
  const results = new Map<string, Tensors extends ReadonlyMap<string, infer T> ? T : never>();
  const runs = [
    ...Object.entries(parsed.data.multi_head_attention).map(
      ([key, { num_heads }]) => [key, (nodes: Nodes) => multiHead(nodes, num_heads)] as const,
    ),
    ...Object.entries(parsed.data.scaled_dot_product_attention).map(
      ([key, { is_causal, scale }]) => [key, (nodes: Nodes) => dotProduct(nodes, is_causal, scale)] as const,
    ),
  ];
  for (const [key, build] of runs) {
    for (const [output, tensor] of await runSubCase(key, tensors, build)) results.set(output, tensor);
  }
  return results;
};

async function runSubCase(key: string, all: Tensors, build: (nodes: Nodes) => Attended): Promise<Tensors> {
  const own = [...all].filter(([name]) => name.startsWith(`${key}.`));
  const inputs = Object.fromEntries(
    own.map(([name, { dtype, shape }]) => [name.slice(key.length + 1), input(name, dtype, shape)]),
  );
  const outputs = build(inputs);
  const loss = sum(mul(outputs.output, inputs.cotangent!));
  const wrt = Object.entries(inputs).filter(
    ([name, node]) => isFloat(node.dtype) && !/^(cotangent|.*mask)$/.test(name),
  );
  const gradients = grad(
    loss,
    wrt.map(([, node]) => node),
  );
  const graph = {
    inputs: Object.values(inputs),
    parameters: new Map<Node, string>(),
    outputs: {
      ...Object.fromEntries(
        Object.entries({ ...outputs, loss }).map(([name, node]) => [`${key}.${name}`, node]),
      ),
      ...Object.fromEntries(wrt.map(([name], at) => [`grad.${key}.${name}`, gradients[at]!])),
    },
  };
  const session = await OrtSession.open({ bytes: encodeOnnx(graph), name: key });
  try {
    return new Map(Object.entries(await session.run(Object.fromEntries(own))));
  } finally {
    await session.release();
  }
}

/** torch.nn.MultiheadAttention, batch first: query [B, T, D], key and value [B, S, ·]. */
function multiHead(nodes: Nodes, numHeads: number): Attended {
  const width = nodes.query!.shape.at(-1)!;
  const thirds = [width, width, width];
  const { in_proj_weight: packed, in_proj_bias: packedBias } = nodes;
  // Keys and values of other widths than the query's have weights of their own.
  const weights = packed
    ? split(packed, 0, thirds)
    : [nodes.q_proj_weight!, nodes.k_proj_weight!, nodes.v_proj_weight!];
  const biases = packedBias ? split(packedBias, 0, thirds) : [];
  const [query, key, value] = [nodes.query!, nodes.key!, nodes.value!].map((x, at) =>
    splitHeads(linear(x, weights[at]!, biases[at]), numHeads),
  ) as [Node, Node, Node];
  const ctx = Context.inference();
  const attended = scaledDotProductAttention(ctx, query, [{ key, value }], {
    bias: torchMaskBias(nodes.attn_mask, nodes.key_padding_mask, numHeads),
    captureAs: "attn_weights",
  });
  const output = linear(joinHeads(attended), nodes["out_proj.weight"]!, nodes["out_proj.bias"]);
  return { output, attn_weights: ctx.captured.get("attn_weights")! };
}

/**
 * Masks of torch.nn.MultiheadAttention (1 = masked; floats are added) as one bias: of pairs [T, S] or [B·H, T, S], and
 * of keys [B, S].
 */
export function torchMaskBias(
  pairMask: Node | undefined,
  keyMask: Node | undefined,
  numHeads: number,
): Node | undefined {
  const asBias = (mask: Node): Node =>
    isFloat(mask.dtype) ? mask : mul(cast(mask, "float32"), forbidden("float32"));
  const padding = keyMask && unsqueeze(unsqueeze(asBias(keyMask), 1), 1);
  const pairs = pairMask && asBias(pairMask);
  const perHead = pairs?.rank === 3 ? splitBatch(pairs, numHeads) : pairs;
  return padding && perHead ? add(padding, perHead) : (padding ?? perHead);
}

/** [B·H, T, S] → [B, H, T, S]. */
const splitBatch = (mask: Node, numHeads: number): Node => {
  const [rows, ...pairs] = mask.shape as [number, number, number];
  return reshape(mask, [rows / numHeads, numHeads, ...pairs]);
};
/** query [B, H, T, K], key [B, H, S, K], value [B, H, S, V]; integer masks: 1 = attend. */
function dotProduct({ query, key, value, attn_mask }: Nodes, isCausal: boolean, scale?: number): Attended {
  const masked =
    attn_mask &&
    (isFloat(attn_mask.dtype) ? attn_mask : mul(add(cast(attn_mask, "float32"), -1), -forbidden("float32")));
  const causal = isCausal ? causalBias(query!.shape[2]!, key!.shape[2]!, "float32") : undefined;
  const bias = masked && causal ? add(masked, causal) : (masked ?? causal);
  const ctx = Context.inference();
  const output = scaledDotProductAttention(ctx, query!, [{ key: key!, value: value! }], {
    bias,
    scale,
    captureAs: "attn_weights",
  });
  return { output, attn_weights: ctx.captured.get("attn_weights")! };
}
