/**
 * A model of pictures and texts in two halves: what it makes of a picture, and what it then says of a text. Explanations
 * take gradients within the second half, so the first one runs once.
 * B rows, T tokens, S tokens of a picture, C channels, H × W pixels, V vocabulary, P features.
 */

import { ConfigError } from "../errors.ts";
import { input, type Node } from "../graph/node.ts";
import { sub } from "../graph/ops/core.ts";
import { slice } from "../graph/ops/shape.ts";
import { BlipForConditionalGeneration, BlipForImageTextRetrieval } from "../models/blip.ts";
import { ClipModel } from "../models/clip.ts";
import type { Model, Outputs } from "../models/model.ts";
import { declareInputs, storedNames } from "../models/trace.ts";
import { Context } from "../nn/context.ts";
import type { TracedModel } from "./graphs.ts";
import type { TracedImageModel } from "./image-attribution.ts";
import type { ModelRunner } from "./runner.ts";

export interface PairHalves {
  readonly names: ReadonlyMap<Node, string>;
  /** `pixel_values` [B, C, H, W]. */
  readonly pixels: Node;
  /** What the second half reads of a picture, [B, …]. */
  readonly seen: Node;
  /** S: the class token and the patches. */
  readonly pictureTokens: number;
  /**
   * The second half, over `input_ids` [B, T] and `seen` [1, …]. A captioner gives `logits` [B, T, V]; a model that matches
   * gives `score` [B, 1], the log odds of a match or a CLIP's logit.
   */
  readonly text: TracedModel;
  /** A CLIP: its logit [B, 1] over pixels and `read` [1, P], which the second half gives as `read` [B, P]. */
  readonly picture?: TracedImageModel;
}

/** The inputs that all of them have. */
interface PairInputs {
  readonly pixel_values: Node;
  readonly input_ids: Node;
}

/** What the model of one family computes. */
interface FamilyHalves {
  readonly seen: Node;
  /** The input in its place. */
  readonly given: Node;
  readonly outputs: Outputs;
  /** Before the names of the values that are captured of a text. */
  readonly prefix: string;
  readonly picture?: Pick<TracedImageModel, "others" | "outputs">;
}

/**
 * @param length T
 * @throws ConfigError, code unsupported, for a model that neither writes captions nor matches texts with pictures.
 */
export function pairHalves({ architecture, config }: ModelRunner, length: number): PairHalves {
  const model = architecture.build(config);
  const names = storedNames(architecture, model);
  const inputs = declareInputs(architecture.inputs(config), { length });
  const ctx = Context.inference();
  const { pixel_values, input_ids } = inputs;
  if (!pixel_values || !input_ids) throw notExplained(architecture.name);
  const family = familyHalves(model, ctx, { pixel_values, input_ids });
  if (!family) throw notExplained(architecture.name);
  const { seen, given, outputs, prefix, picture } = family;
  return {
    names,
    pixels: pixel_values,
    seen,
    pictureTokens: pictureTokensIn(ctx),
    text: {
      names,
      inputs: [input_ids, given],
      outputs: { ...capturedBehind(ctx, prefix), ...outputs },
      ...textStates(ctx, prefix),
    },
    ...(picture && { picture: { names, pixels: pixel_values, ...picture } }),
  };
}

export const notExplained = (name: string): ConfigError =>
  new ConfigError(
    `explain: ${name} cannot be explained with a picture and a text; give a BLIP that writes captions or matches texts with pictures, or a CLIPModel`,
    { code: "unsupported" },
  );

function familyHalves(model: Model, ctx: Context, inputs: PairInputs): FamilyHalves | undefined {
  if (model instanceof BlipForConditionalGeneration) return captionHalves(model, ctx, inputs);
  if (model instanceof BlipForImageTextRetrieval) return matchHalves(model, ctx, inputs);
  return model instanceof ClipModel ? towerHalves(model, ctx, inputs) : undefined;
}

/** An input of one row in the place of a computed value. */
const standIn = (name: string, { dtype, shape }: Node): Node => input(name, dtype, [1, ...shape.slice(1)]);

function captionHalves(
  model: BlipForConditionalGeneration,
  ctx: Context,
  { pixel_values, input_ids }: PairInputs,
): FamilyHalves {
  const seen = model.encode(ctx, { pixel_values });
  const given = standIn("seen", seen);
  const logits = model.decoder.forward(ctx, input_ids, undefined, given);
  return { seen, given, outputs: { logits }, prefix: "" };
}

function matchHalves(
  model: BlipForImageTextRetrieval,
  ctx: Context,
  { pixel_values, input_ids }: PairInputs,
): FamilyHalves {
  const seen = model.readImages(ctx, { pixel_values }).image_embeds!;
  const given = standIn("seen", seen);
  const { itm_logits } = model.match(ctx, { input_ids, image_embeds: given });
  const [no, yes] = [slice(itm_logits!, 1, 0, 1), slice(itm_logits!, 1, 1, 2)];
  return { seen, given, outputs: { score: sub(yes, no) }, prefix: "" };
}

function towerHalves(model: ClipModel, ctx: Context, { pixel_values, input_ids }: PairInputs): FamilyHalves {
  const { images, texts } = model.features(ctx, { pixel_values, input_ids });
  const [given, read] = [standIn("seen", images), standIn("read", texts)];
  const ofText = model.scores.forward(ctx, { images: given, texts });
  const ofPicture = model.scores.forward(ctx, { images, texts: read });
  return {
    seen: images,
    given,
    outputs: { score: ofText.logits_per_text!, read: texts },
    prefix: "text_model_output.",
    picture: { others: [read], outputs: { logits: ofPicture.logits_per_image! } },
  };
}

/** S, of the embeddings that the picture's encoder captures. */
function pictureTokensIn({ captured }: Context): number {
  const [, embeddings] = [...captured].find(([name]) => /^vision_.*hidden_states\.0$/.test(name))!;
  return embeddings.shape[1] as number;
}

/** Captured values whose names begin so, under the rest of their names. */
const capturedBehind = ({ captured }: Context, prefix: string): Outputs =>
  Object.fromEntries(
    [...captured]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, node]) => [name.slice(prefix.length), node]),
  );

/** The names of a text's embeddings and of what the last layer makes of them. */
function textStates({ captured }: Context, prefix: string): Pick<TracedModel, "embeddings" | "lastStates"> {
  let last = 0;
  while (captured.has(`${prefix}hidden_states.${last + 1}`)) last++;
  return { embeddings: "hidden_states.0", lastStates: `hidden_states.${last}` };
}
