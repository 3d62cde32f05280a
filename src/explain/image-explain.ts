/** `explainImage`: where a model looks in a picture, and which pixels its answer rests on. */

import { ConfigError, RequestError } from "../errors.ts";
import type { ConfigJson } from "../models/config.ts";
import type { TaskName } from "../models/model.ts";
import { storedNames, traceInference, usedGraph } from "../models/trace.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { findModel } from "../tasks/find-model.ts";
import { type ImageSource, openImageSource, readPicture } from "../tasks/image-input.ts";
import { readLabels } from "../tasks/labels.ts";
import { argmax, rowAt, softmax } from "../tasks/scores.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ImageDecoder } from "../vision/decode.ts";
import { type RgbImage, rgbImage } from "../vision/image.ts";
import { ImagePreprocessor } from "../vision/preprocess.ts";
import { readPreprocessor } from "../vision/preprocessor-config.ts";
import { type PixelGradients, pixelGradients, type TracedImageModel } from "./image-attribution.ts";
import { type ImageMap, type TokenMaps, tokenMaps, windowMaps } from "./image-maps.ts";
import { ModelRunner } from "./runner.ts";

export interface ImageExplainOptions extends Pick<SessionOptions, "provider" | "threads"> {
  /** The class to explain; default: what the model predicts. */
  readonly target?: string | undefined;
  /** Points of integrated gradients, from 1; default 32. */
  readonly steps?: number | undefined;
}

export interface ImageExplanation {
  readonly architecture: string;
  readonly task: TaskName;
  /** The picture as the model reads it, before its levels are normalised. */
  readonly picture: RgbImage;
  /** Attention of the positions that the answer is read from, of the class token where that is one. */
  readonly attention?: TokenMaps | undefined;
  /** Swin: attention within windows, by block. */
  readonly windows: readonly ImageMap[];
  /** Undefined where the model scores no classes. */
  readonly attribution?: (Omit<PixelGradients, "reading"> & ImageTarget) | undefined;
}

interface ImageTarget {
  readonly label: string;
  readonly probability: number;
}

/**
 * Attention and attributions of a classifier's answer to a picture; of other models the attention alone.
 * @param model a folder, a version in the store, a bundled model or a name on the hub
 * @throws ConfigError for an unknown model or one that reads no pictures, RequestError for an unknown target.
 */
export async function explainImage(
  model: string,
  image: ImageSource,
  { target, steps = 32, ...session }: ImageExplainOptions = {},
): Promise<ImageExplanation> {
  const runner = await ModelRunner.open(await findModel(model), session);
  const { architecture, config, folder } = runner;
  const traced = traceImageModel(runner);
  const preprocessor = new ImagePreprocessor(await readPreprocessor(folder));
  const decoder = new ImageDecoder({}, preprocessor.plan.background);
  const picture = preprocessor.prepare(await readPicture(image, decoder, openImageSource));
  const pixels = preprocessor.tensorOf([picture]);
  const [outputs] = (await runner.run(forwardGraph(traced), [{ pixel_values: pixels }])) as [
    Record<string, Tensor>,
  ];
  const chosen = outputs.logits && chooseClass(outputs.logits, config, target);
  if (!chosen && target !== undefined)
    throw new RequestError(`explain: this model scores no classes; leave out "${target}"`);
  const baseline = preprocessor.tensorOf([rgbImage(picture)]); // black
  const setup = { runner, model: traced, picture: pixels, baseline, steps };
  const gradients = chosen && (await pixelGradients({ ...setup, label: chosen.at }));
  const { reading, ...attribution } = gradients ?? {};
  const hasWindows = architecture.modelType === "swin";
  return {
    architecture: architecture.name,
    task: architecture.task,
    picture,
    attention: hasWindows ? undefined : tokenMaps(outputs, picture, reading),
    windows: hasWindows ? windowMaps(outputs, picture, patchOf(config)) : [],
    ...(chosen && {
      attribution: {
        ...(attribution as PixelGradients),
        label: chosen.label,
        probability: chosen.probability,
      },
    }),
  };
}

/** @throws ConfigError, code unsupported, unless pictures are all that the model reads. */
function traceImageModel({ architecture, config }: ModelRunner): TracedImageModel {
  const model = architecture.build(config);
  const names = storedNames(architecture, model);
  const specs = architecture.inputs(config).filter(({ isLabel }) => !isLabel);
  if (specs.map(({ name }) => name).join() !== "pixel_values") {
    throw new ConfigError(`explain: ${architecture.name} does not read one picture and nothing else`, {
      code: "unsupported",
    });
  }
  const { inputs, outputs } = traceInference(model, names, specs, { capture: true });
  return { names, pixels: inputs[0]!, outputs };
}

/** The scores and the attention maps. */
function forwardGraph({ names, pixels, outputs }: TracedImageModel): ReturnType<typeof usedGraph> {
  const isWanted = (name: string): boolean => /^(logits$|attentions\.|last_hidden_state$)/.test(name);
  const wanted = Object.entries(outputs).filter(([name]) => isWanted(name));
  return usedGraph(Object.fromEntries(wanted), [pixels], names);
}

function chooseClass(
  logits: Tensor,
  config: ConfigJson,
  target: string | undefined,
): ImageTarget & { readonly at: number } {
  const { id2label } = readLabels(config, "explain");
  const scores = softmax(rowAt(logits, 0));
  const labels = scores.map((_, at) => id2label[at] ?? `LABEL_${at}`);
  const at = target === undefined ? argmax(scores) : labels.indexOf(target);
  if (at >= 0) return { at, label: labels[at]!, probability: scores[at]! };
  throw new RequestError(
    `explain: the target must be one of ${labels.slice(0, 20).join(", ")}; got "${target}"`,
  );
}

/** Height and width of Swin's patches in pixels. */
function patchOf({ patch_size: given = 4 }: ConfigJson): [number, number] {
  return (Array.isArray(given) ? given : [given, given]) as [number, number];
}
