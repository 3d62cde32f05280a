/** Cases of the contrastive losses by themselves: features are given, whole and split over ranks. N pairs, D features. */

import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { grad } from "../graph/grad.ts";
import { input, type Node } from "../graph/node.ts";
import { encodeOnnx } from "../graph/onnx/encode.ts";
import { slice } from "../graph/ops/shape.ts";
import { contrastiveLoss, normalized, type PairFeatures, sigmoidLoss } from "../nn/contrastive.ts";
import { OrtSession } from "../runtime/ort-session.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type CaseRunner, inputOf, type ParityCase, type Tensors } from "./case.ts";

const schema = z.object({ world_sizes: z.array(z.number().int().min(1)).default([]) });

type InputNodes = Readonly<Record<"image_features" | "text_features" | "logit_scale" | "logit_bias", Node>>;

/** One rank's pairs among those of all: `count` from number `first` on. */
interface Rank {
  readonly first: number;
  readonly count: number;
}

/** How a loss is split over ranks. */
interface Split {
  loss(nodes: InputNodes, all: PairFeatures, rank: Rank): Node;
  /** Whether a rank's gradient reaches its own features only, so that ranks' gradients are not averaged. */
  readonly ownGradient?: true;
}

const pairsOf = ({ image_features, text_features }: InputNodes): PairFeatures => ({
  images: normalized(image_features),
  texts: normalized(text_features),
});

const rows = (x: Node, { first, count }: Rank): Node => slice(x, 0, first, first + count);
const ownPairs = ({ images, texts }: PairFeatures, rank: Rank): PairFeatures => ({
  images: rows(images, rank),
  texts: rows(texts, rank),
});

const fullLoss: Split["loss"] = ({ logit_scale }, all) => contrastiveLoss(all, logit_scale);

const splits: Readonly<Record<"clip" | "siglip", Readonly<Record<string, Split>>>> = {
  clip: {
    local_loss_gather_with_grad: {
      loss: ({ logit_scale }, all, rank) =>
        contrastiveLoss(ownPairs(all, rank), logit_scale, all, rank.first),
    },
    full_loss_gather_with_grad: { loss: fullLoss },
    full_loss_own_grad: { loss: fullLoss, ownGradient: true },
  },
  siglip: {
    neighbour_exchange: {
      loss: ({ logit_scale, logit_bias }, all, rank) =>
        sigmoidLoss(ownPairs(all, rank), logit_scale, logit_bias, all.texts, rank.first),
    },
  },
};

/** The losses with their gradients, from one rank and from several. */
export const runContrastive: CaseRunner = async (parityCase) => {
  const parsed = schema.safeParse({ ...parityCase.config, ...parityCase.params });
  if (!parsed.success) throw new ConfigError(`${parityCase.name}: ${parsed.error.issues[0]!.message}`);
  const count = inputOf(parityCase, "image_features").shape[0]!;
  const results = new Map<string, Tensor>();
  for (const [kind, ways] of Object.entries(splits)) {
    const [whole] = await runRanks(parityCase, Object.values(ways)[0]!, [{ first: 0, count }]);
    for (const [name, value] of Object.entries(whole!)) results.set(`${kind}.${name}`, value);
    for (const size of parsed.data.world_sizes) {
      const ranks = Array.from({ length: size }, (_, rank) => ({
        first: (rank * count) / size,
        count: count / size,
      }));
      for (const [way, split] of Object.entries(ways)) {
        const outputs = joined(await runRanks(parityCase, split, ranks), ranks, split);
        for (const [name, value] of outputs) results.set(`${kind}.world${size}.${way}.${name}`, value);
      }
    }
  }
  return results;
};

/** Each rank's loss and gradients with respect to all inputs. */
async function runRanks(
  parityCase: ParityCase,
  split: Split,
  ranks: readonly Rank[],
): Promise<Record<string, Tensor>[]> {
  const outputs: Record<string, Tensor>[] = [];
  for (const rank of ranks) {
    const nodes = declared(parityCase);
    const loss = split.loss(nodes, pairsOf(nodes), rank);
    const gradients = grad(loss, Object.values(nodes));
    const named = Object.keys(nodes).map((key, at) => [`grad.${key}`, gradients[at]!]);
    const graph = {
      inputs: Object.values(nodes),
      parameters: new Map(),
      outputs: { loss, ...Object.fromEntries(named) },
    };
    const session = await OrtSession.open({ bytes: encodeOnnx(graph), name: parityCase.name });
    outputs.push(await session.run(Object.fromEntries(parityCase.inputs)));
    await session.release();
  }
  return outputs;
}

function declared(parityCase: ParityCase): InputNodes {
  const node = (name: keyof InputNodes): Node => {
    const { dtype, shape } = inputOf(parityCase, name);
    return input(name, dtype, shape);
  };
  return {
    image_features: node("image_features"),
    text_features: node("text_features"),
    logit_scale: node("logit_scale"),
    logit_bias: node("logit_bias"),
  };
}

/** What ranks have after they have exchanged gradients: the mean, or each its own rows. */
function joined(outputs: readonly Record<string, Tensor>[], ranks: readonly Rank[], split: Split): Tensors {
  const losses = outputs.map(({ loss }) => Number(loss!.data[0]));
  const results = new Map([["loss_per_rank", Tensor.from("float32", [losses.length], losses)]]);
  for (const name of Object.keys(outputs[0]!).filter((key) => key.startsWith("grad."))) {
    const parts = outputs.map((rank) => rank[name]!);
    const isOwn = split.ownGradient && name.endsWith("_features");
    results.set(name, isOwn ? ownRows(parts, ranks) : meanOf(parts));
  }
  return results;
}

function meanOf(tensors: readonly Tensor[]): Tensor {
  const values = tensors.map((tensor) => tensor.toNumbers());
  const sums = values[0]!.map((_, at) => values.reduce((sum, row) => sum + row[at]!, 0) / values.length);
  return Tensor.from("float32", tensors[0]!.shape, sums);
}

function ownRows(tensors: readonly Tensor[], ranks: readonly Rank[]): Tensor {
  const width = tensors[0]!.shape[1]!;
  const values = tensors.flatMap((tensor, rank) => {
    const { first, count } = ranks[rank]!;
    return tensor.toNumbers().slice(first * width, (first + count) * width);
  });
  return Tensor.from("float32", tensors[0]!.shape, values);
}
