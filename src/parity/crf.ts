/** Cases of the linear-chain CRF by itself: emissions are given, nothing computes them. */

import { join } from "node:path";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { grad } from "../graph/grad.ts";
import { input, type Node } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { div, neg, sum } from "../graph/ops/core.ts";
import { mean } from "../graph/ops/reduce.ts";
import { cast } from "../graph/ops/select.ts";
import { swapAxes } from "../graph/ops/shape.ts";
import { bestPath, type Chain, marginals } from "../models/crf-decoding.ts";
import { Crf } from "../nn/crf.ts";
import { Init, parametersOf } from "../nn/module.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { assertNames } from "../weights/assert-names.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import { type CaseRunner, inputOf, type ParityCase, type Tensors } from "./case.ts";

const schema = z.object({
  num_tags: z.number().int().positive(),
  batch_first: z.boolean().default(false),
  reduction: z.enum(["none", "sum", "mean", "token_mean"]).default("sum"),
});
type CrfConfig = z.infer<typeof schema>;

/** pytorch-crf's names of our parameters. */
const namesThere: Readonly<Record<string, string>> = { start: "start_transitions", end: "end_transitions" };

/** Likelihoods with gradients from the graph; marginals and best paths from the decoder. */
export const runCrf: CaseRunner = async (parityCase) => {
  const parsed = schema.safeParse(parityCase.config);
  if (!parsed.success) throw new ConfigError(`${parityCase.name}: ${parsed.error.issues[0]!.message}`);
  const weights = await readSafetensors(join(parityCase.folder, "model.safetensors"));
  const likelihoods = await runGraph(parityCase, parsed.data, weights);
  return new Map([...likelihoods, ...decoded(parityCase, parsed.data, weights)]);
};

async function runGraph(parityCase: ParityCase, config: CrfConfig, weights: Tensors): Promise<Tensors> {
  const crf = new Crf(new Init(), config.num_tags);
  const parameters = new Map([...parametersOf(crf)].map(([node, name]) => [node, namesThere[name] ?? name]));
  const shapes = new Map([...parameters].map(([node, name]) => [name, { shape: node.shape as number[] }]));
  assertNames(parityCase.name, shapes, weights);

  const inputs = [...parityCase.inputs].map(([name, { dtype, shape }]) => input(name, dtype, shape));
  const given = Object.fromEntries([...parityCase.inputs.keys()].map((name, at) => [name, inputs[at]!]));
  const rows = (node: Node): Node => (config.batch_first ? node : swapAxes(node, 0, 1));
  const chain = { emissions: rows(given.emissions!), mask: given.mask && rows(given.mask) };
  const likelihood = crf.logLikelihood(chain, rows(given.tags!));
  const reductions = reduced(likelihood, given.mask, inputOf(parityCase, "tags").size);
  const wanted = config.reduction === "none" ? likelihood : reductions[config.reduction];
  const loss = neg(wanted);
  const wrt = new Map([...parameters, [given.emissions!, "emissions"]]);
  const gradients = grad(sum(loss), [...wrt.keys()]);
  const outputs = {
    log_likelihood: likelihood,
    "log_likelihood.sum": reductions.sum,
    "log_likelihood.mean": reductions.mean,
    "log_likelihood.token_mean": reductions.token_mean,
    log_partition: crf.logPartition(chain),
    loss,
    ...Object.fromEntries([...wrt.values()].map((name, at) => [`grad.${name}`, gradients[at]!])),
  };
  const session = await OrtSession.open({
    bytes: encodeOnnx({ inputs, parameters, outputs }),
    name: parityCase.name,
  });
  try {
    return new Map(Object.entries(await session.run(Object.fromEntries([...parityCase.inputs, ...weights]))));
  } finally {
    await session.release();
  }
}

/** `token_mean` divides by the number of positions. */
function reduced(
  likelihood: Node,
  mask: Node | undefined,
  numPositions: number,
): Record<"sum" | "mean" | "token_mean", Node> {
  const total = sum(likelihood);
  const positions = mask ? cast(sum(cast(mask, "int64")), total.dtype) : numPositions;
  return { sum: total, mean: mean(likelihood), token_mean: div(total, positions) };
}

/** `marginals` in the layout of the emissions, `viterbi.tags` [B, T] with −1 behind the end, `viterbi.score` [B]. */
function decoded(parityCase: ParityCase, { batch_first, num_tags }: CrfConfig, weights: Tensors): Tensors {
  const emissions = inputOf(parityCase, "emissions");
  const [batch, length] = (batch_first ? [0, 1] : [1, 0]).map((axis) => emissions.shape[axis]!) as [
    number,
    number,
  ];
  const mask = parityCase.inputs.get("mask")?.toNumbers();
  const chain = chainOfWeights(weights, num_tags);
  const probabilities = Tensor.zeros("float32", emissions.shape);
  const tags = Tensor.from("int64", [batch, length], new Array(batch * length).fill(-1));
  const scores: number[] = [];
  for (let row = 0; row < batch; row++) {
    const cells = Array.from({ length }, (_, at) => (batch_first ? row * length + at : at * batch + row));
    const live = cells.filter((cell) => !mask || mask[cell] === 1);
    const rows = live.map((cell) =>
      emissions.data.slice(cell * num_tags, (cell + 1) * num_tags),
    ) as Float32Array[];
    const path = bestPath(rows, chain);
    scores.push(path.score);
    path.tags.forEach((tag, at) => {
      tags.data[row * length + at] = BigInt(tag);
    });
    marginals(rows, chain).forEach((row, at) => {
      (probabilities.data as Float32Array).set(row, live[at]! * num_tags);
    });
  }
  return new Map([
    ["marginals", probabilities],
    ["viterbi.tags", tags],
    ["viterbi.score", Tensor.from("float32", [batch], scores)],
  ]);
}

function chainOfWeights(weights: Tensors, numTags: number): Chain {
  const values = (name: string): number[] => weights.get(name)!.toNumbers();
  const transitions = values("transitions");
  return {
    transitions: Array.from({ length: numTags }, (_, from) =>
      transitions.slice(from * numTags, (from + 1) * numTags),
    ),
    start: values("start_transitions"),
    end: values("end_transitions"),
  };
}
