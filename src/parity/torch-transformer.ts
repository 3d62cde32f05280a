/** Cases of torch.nn.Transformer: encoder and decoder on embedded inputs, with gradients of inputs and parameters. */

import { join } from "node:path";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { grad } from "../graph/grad.ts";
import type { Node } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { mul, sum, transpose } from "../graph/ops/core.ts";
import { concat } from "../graph/ops/shape.ts";
import { declareInputs } from "../models/trace.ts";
import { TransformerStacks } from "../models/transformer.ts";
import { Context } from "../nn/context.ts";
import { Init, parametersOf } from "../nn/module.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type NameMap, NameTable } from "../weights/names.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import { torchMaskBias } from "./attention.ts";
import type { CaseRunner, Tensors } from "./case.ts";

const configSchema = z.object({
  d_model: z.number().int().positive(),
  nhead: z.number().int().positive(),
  num_encoder_layers: z.number().int(),
  num_decoder_layers: z.number().int(),
  dim_feedforward: z.number().int().positive(),
  activation: z.enum(["relu", "gelu"]).default("relu"),
  layer_norm_eps: z.number().default(1e-5),
  norm_first: z.boolean().default(false),
  batch_first: z.boolean().default(false),
});

type Config = z.infer<typeof configSchema>;

const names: NameMap = {
  ...layerNames("encoder", ["norm1", "norm2"]),
  ...layerNames("decoder", ["norm1", "norm3"]),
  "decoder.{i}.crossAttention": "decoder.layers.{i}.multihead_attn",
  "decoder.{i}.crossAttention.output": "decoder.layers.{i}.multihead_attn.out_proj",
  "decoder.{i}.crossNorm": "decoder.layers.{i}.norm2",
};

function layerNames(stack: "encoder" | "decoder", [selfNorm, outputNorm]: [string, string]): NameMap {
  return {
    [`${stack}.{i}.selfAttention`]: `${stack}.layers.{i}.self_attn`,
    [`${stack}.{i}.selfAttention.output`]: `${stack}.layers.{i}.self_attn.out_proj`,
    [`${stack}.{i}.selfNorm`]: `${stack}.layers.{i}.${selfNorm}`,
    [`${stack}.{i}.feedForward.up`]: `${stack}.layers.{i}.linear1`,
    [`${stack}.{i}.feedForward.down`]: `${stack}.layers.{i}.linear2`,
    [`${stack}.{i}.outputNorm`]: `${stack}.layers.{i}.${outputNorm}`,
    [`${stack}Norm`]: `${stack}.norm`,
  };
}

/** `….query.weight`, `….key.weight` and `….value.weight` are thirds of `….in_proj_weight`, biases alike. */
const thirds = ["query", "key", "value"];
const packedName = (name: string): string =>
  name.replace(/\.(query|key|value)\.(weight|bias)$/, ".in_proj_$2");

export const runTorchTransformer: CaseRunner = async (parityCase) => {
  const { name, folder, inputs } = parityCase;
  const parsed = configSchema.safeParse(parityCase.config);
  if (!parsed.success) throw new ConfigError(`${name}: ${z.prettifyError(parsed.error)}`);
  const stacks = new TransformerStacks(new Init(), stackConfig(parsed.data));
  const table = new NameTable(name, names);
  const parameters = new Map([...parametersOf(stacks)].map(([node, path]) => [node, table.toHub(path)]));
  const nodes = declareInputs(
    [...inputs].map(([key, { dtype, shape }]) => ({ name: key, dtype, axes: shape })),
  );
  const outputs = computed(stacks, parsed.data, nodes);
  const gradients = gradientsOf(outputs.loss!, nodes, parameters);
  const wanted = Object.entries({ ...outputs, ...gradients }).filter(([key]) => parityCase.expected.has(key));
  const graph = { inputs: Object.values(nodes), parameters, outputs: Object.fromEntries(wanted) };
  const session = await OrtSession.open({ bytes: encodeOnnx(graph), name });
  try {
    const weights = unpack(await readSafetensors(join(folder, "model.safetensors")));
    const feeds = new Map([...inputs, ...weights]);
    return new Map(
      Object.entries(
        await session.run(
          Object.fromEntries(session.inputs.map((input) => [input.name, feeds.get(input.name)!])),
        ),
      ),
    );
  } finally {
    await session.release();
  }
};

const stackConfig = (config: Config) => ({
  hiddenSize: config.d_model,
  numHeads: config.nhead,
  encoderLayers: config.num_encoder_layers,
  decoderLayers: config.num_decoder_layers,
  innerSize: config.dim_feedforward,
  activation: config.activation,
  epsilon: config.layer_norm_eps,
  normFirst: config.norm_first,
  dropout: 0,
  attentionDropout: 0,
  activationDropout: 0,
});

/** Outputs as the case names them; `loss` is Σ output · cotangent. */
function computed(
  stacks: TransformerStacks,
  { batch_first, nhead }: Config,
  nodes: Readonly<Record<string, Node>>,
): Record<string, Node> {
  const ctx = Context.inference();
  const turned = (node: Node): Node => (batch_first ? node : transpose(node, [1, 0, 2]));
  const bias = (pairs: string, keys: string): Node | undefined =>
    torchMaskBias(nodes[pairs], nodes[keys], nhead);
  const source = stacks.encode(ctx, turned(nodes.src!), { bias: bias("src_mask", "src_key_padding_mask") });
  const self = { bias: bias("tgt_mask", "tgt_key_padding_mask") };
  const cross = { bias: bias("memory_mask", "memory_key_padding_mask") };
  const output = turned(stacks.decode(ctx, turned(nodes.tgt!), source, self, cross));
  const layerOutputs = [...ctx.captured].flatMap(([key, node]) => {
    const [, stack, at] = /^(encoder|decoder)_hidden_states\.(\d+)$/.exec(key) ?? [];
    return stack && Number(at) > 0 ? [[`${stack}_layer_output.${Number(at) - 1}`, turned(node)]] : [];
  });
  const loss = sum(mul(output, nodes.cotangent!));
  return { output, memory: turned(source), loss, ...Object.fromEntries(layerOutputs) };
}

/** Gradients of inputs and parameters, those of queries, keys and values packed as torch packs them. */
function gradientsOf(
  loss: Node,
  nodes: Readonly<Record<string, Node>>,
  parameters: ReadonlyMap<Node, string>,
): Record<string, Node> {
  const wrt = new Map([[nodes.src!, "src"], [nodes.tgt!, "tgt"], ...parameters]);
  const all = grad(loss, [...wrt.keys()]);
  const packed = new Map<string, Node[]>();
  for (const [at, name] of [...wrt.values()].entries()) {
    packed.set(packedName(name), [...(packed.get(packedName(name)) ?? []), all[at]!]);
  }
  return Object.fromEntries([...packed].map(([name, parts]) => [`grad.${name}`, concat(parts, 0)]));
}

/** Weights with packed projections taken apart. */
function unpack(weights: Tensors): Tensors {
  const entries = [...weights].flatMap(([name, tensor]): [string, Tensor][] => {
    const kind = /\.in_proj_(weight|bias)$/.exec(name)?.[1];
    if (!kind) return [[name, tensor]];
    const shape = tensor.shape.with(0, tensor.shape[0]! / 3);
    const size = tensor.size / 3;
    return thirds.map((part, at) => [
      name.replace(/in_proj_(weight|bias)$/, `${part}.${kind}`),
      new Tensor(tensor.dtype, shape, tensor.data.subarray(at * size, (at + 1) * size)),
    ]);
  });
  return new Map(entries);
}
