/** Cases of Flamingo's parts by themselves: the perceiver resampler, and gated attention to images. */

import { join } from "node:path";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { grad } from "../graph/grad.ts";
import type { Node } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { broadcastTo, mul, reshape, sum } from "../graph/ops/core.ts";
import { cumSum } from "../graph/ops/reduce.ts";
import { cast } from "../graph/ops/select.ts";
import { slice } from "../graph/ops/shape.ts";
import { parseConfig, size } from "../models/config.ts";
import { GatedCrossAttention, gatedAttentionNames } from "../models/gated-attention.ts";
import { PerceiverResampler, perceiverConfig, perceiverNames } from "../models/perceiver.ts";
import { declareInputs } from "../models/trace.ts";
import { Context } from "../nn/context.ts";
import { Init, parametersOf } from "../nn/module.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { assertNames } from "../weights/assert-names.ts";
import { type NameMap, NameTable } from "../weights/names.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import type { CaseRunner, ParityCase, Tensors } from "./case.ts";

type Nodes = Readonly<Record<string, Node>>;

/** Σ output · cotangent and its gradients, `of` being the inputs that have one; names begin with `prefix`. */
function withGradients(
  prefix: string,
  output: Node,
  nodes: Nodes,
  of: readonly string[],
  names: ReadonlyMap<Node, string>,
): Record<string, Node> {
  const loss = sum(mul(output, nodes.cotangent!));
  const wrt = new Map([
    ...of.map((name) => [nodes[name]!, `grad_input.${name}`] as const),
    ...gradNames(names),
  ]);
  const gradients = grad(loss, [...wrt.keys()]);
  const named = [...wrt.values()].map((name, at) => [prefix + name, gradients[at]!]);
  return { [`${prefix}output`]: output, [`${prefix}loss`]: loss, ...Object.fromEntries(named) };
}

const gradNames = (names: ReadonlyMap<Node, string>): [Node, string][] =>
  [...names].map(([node, name]) => [node, `grad.${name}`]);

export const runPerceiver: CaseRunner = async (parityCase) => {
  const resampler = new PerceiverResampler(
    new Init(),
    parseConfig(perceiverConfig, parityCase.config, parityCase.name),
  );
  return runModule(parityCase, resampler, perceiverNames("", ""), (nodes, names) =>
    withGradients("", resampler.forward(Context.inference(), nodes.x!), nodes, ["x"], names),
  );
};

const gatedConfig = z.object({ dim: size, dimVisual: size, dimHead: size, heads: size, ffMult: size });

/** Both ways of looking, each with the tokens' own images and, for its first tokens, with all images of the row. */
export const runGatedAttention: CaseRunner = async (parityCase) => {
  const config = parseConfig(gatedConfig, parityCase.config, parityCase.name);
  const results = new Map();
  for (const mode of ["immediate", "all_previous"]) {
    const block = new GatedCrossAttention(new Init(), {
      ...config,
      onlyAttendImmediateMedia: mode === "immediate",
    });
    const outputs = await runModule(parityCase, block, gatedAttentionNames("", ""), (nodes, names) => {
      const cached = parityCase.expected.get(`${mode}.cached_media_output`)?.shape[1] ?? 0;
      const given = attended(block, nodes, nodes[`media_locations.${mode}`]!, cached);
      return {
        ...withGradients(`${mode}.`, given.output, nodes, ["x", "media"], names),
        [`${mode}.cached_media_output`]: given.cachedOutput,
      };
    });
    for (const [name, value] of outputs) results.set(name, value);
  }
  return results;
};

function attended(
  block: GatedCrossAttention,
  { x, media }: Nodes,
  locations: Node,
  cached: number,
): { output: Node; cachedOutput: Node } {
  const [batch, images, latents, width] = media!.shape as [number, number, number, number];
  const source = reshape(media!, [batch, images * latents, width]);
  const isMedia = cast(locations, "float32");
  const run = (tokens: Node, seen: Node): Node => {
    const counts = reshape(seen, [batch, 1, tokens.shape[1]!, 1]);
    return block.forward(Context.inference(), tokens, { source, latents, seen: counts }, "media");
  };
  const total = broadcastTo(sum(isMedia, 1, true), [batch, cached]);
  return {
    output: run(x!, cumSum(isMedia, 1)),
    cachedOutput: run(slice(x!, 1, 0, cached), total),
  };
}

/** Runs what `describe` makes of the case's inputs and the module's named parameters. */
async function runModule(
  { name, folder, inputs, expected }: ParityCase,
  module: object,
  map: NameMap,
  describe: (nodes: Nodes, names: ReadonlyMap<Node, string>) => Record<string, Node>,
): Promise<Tensors> {
  const table = new NameTable(name, map);
  const names = new Map([...parametersOf(module)].map(([node, path]) => [node, table.toHub(path)]));
  const weights = await readSafetensors(join(folder, "model.safetensors"));
  assertNames(
    name,
    new Map([...names].map(([node, key]) => [key, { shape: node.shape as number[] }])),
    weights,
  );
  const nodes = declareInputs(
    [...inputs].map(([key, { dtype, shape }]) => ({ name: key, dtype, axes: shape })),
  );
  const outputs = Object.entries(describe(nodes, names)).filter(([key]) => expected.has(key));
  if (outputs.length === 0) throw new ConfigError(`${name}: expects nothing that is computed here`);
  const graph = { inputs: Object.values(nodes), parameters: names, outputs: Object.fromEntries(outputs) };
  const session = await OrtSession.open({ bytes: encodeOnnx(graph), name });
  try {
    const feeds = new Map([...inputs, ...weights]);
    const read = session.inputs.map((input) => [input.name, feeds.get(input.name)!]);
    return new Map(Object.entries(await session.run(Object.fromEntries(read))));
  } finally {
    await session.release();
  }
}
