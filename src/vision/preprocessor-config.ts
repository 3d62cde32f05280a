/** `preprocessor_config.json`, with Hugging Face's fields and their defaults by processor, as the steps to take. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { sharedFolder } from "../weights/variant-folder.ts";
import type { Size } from "./image.ts";
import type { PreprocessPlan } from "./preprocess.ts";
import { type PreprocessorFields, preprocessorSchema } from "./preprocessor-fields.ts";
import { processorDefaults, processorNames } from "./processors.ts";
import { type Resample, resampleNames } from "./resample.ts";
import type { SizeRule } from "./size-rule.ts";

type GivenSize = NonNullable<PreprocessorFields["size"]>;

/** The file's name in a model folder. */
export const preprocessorFile = "preprocessor_config.json";

/** Reads the file of a model folder. @throws ConfigError when it is missing or does not hold. */
export async function readPreprocessor(folder: string): Promise<PreprocessPlan> {
  const path = join(sharedFolder(folder), preprocessorFile);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new ConfigError(`${path}: cannot be read; a vision model needs it`, { cause, code: "not_found" });
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError(`${path}: is not valid JSON`, { cause });
  }
  return preprocessPlan(json, path);
}

/**
 * The steps that a config asks for. Fields that are not known are ignored, as Hugging Face does.
 * @throws ConfigError for an unknown processor (code `unsupported`), and for fields that do not hold or contradict.
 */
export function preprocessPlan(json: unknown, where = "preprocessor_config.json"): PreprocessPlan {
  const parsed = preprocessorSchema.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new ConfigError(`${where}: is not valid: ${problems.join("; ")}`);
  }
  const given = Object.fromEntries(Object.entries(parsed.data).filter(([, value]) => value != null));
  const fields = withDefaults(given, where);
  const crop = cropOf(fields, where);
  return {
    ...(fields.background_color ? { background: fields.background_color } : {}),
    ...(fields.do_resize === false
      ? {}
      : { resize: { rule: resizeRule(fields, where), filter: filterOf(fields, where) } }),
    ...(crop ? { crop: { ...crop, rounding: "floor" } } : {}),
    ...(fields.do_rescale === false
      ? {}
      : { scale: { by: "factor", value: fields.rescale_factor ?? 1 / 255 } }),
    ...(fields.do_normalize ? { normalize: normalization(fields, where) } : {}),
    ...(fields.do_flip_channel_order ? { isBgr: true } : {}),
    ...(fields.do_pad
      ? { pad: fields.pad_size === undefined ? "largest" : exactSize(fields.pad_size, "pad_size", where) }
      : {}),
  };
}

function withDefaults(given: PreprocessorFields, where: string): PreprocessorFields & { isSquare: boolean } {
  const type = given.image_processor_type ?? given.feature_extractor_type;
  const name = type?.replace(/(ImageProcessor(Fast)?|FeatureExtractor)$/, "");
  const defaults = name === undefined ? undefined : processorDefaults(name);
  if (!defaults) {
    throw new ConfigError(
      `${where}: image_processor_type must be one of ${processorNames().join(", ")} (+ ImageProcessor), got ${type ?? "none"}`,
      { code: "unsupported" },
    );
  }
  const fields = { ...defaults, ...given };
  return name === "ConvNext" && fields.do_resize !== false ? withCropShare(fields, where) : fields;
}

/** ConvNeXT below 384 pixels resizes the short side to size / crop_pct and crops; from 384 on it only resizes. */
function withCropShare<T extends PreprocessorFields>(fields: T, where: string): T {
  const size = typeof fields.size === "number" ? fields.size : edgeOf(fields.size);
  if (size === undefined) {
    throw new ConfigError(
      `${where}: size must be a number or {shortest_edge} for ConvNeXT, got ${show(fields.size)}`,
    );
  }
  const square = { height: size, width: size };
  if (size >= 384) return { ...fields, size: square };
  const resized = Math.trunc(size / fields.crop_pct!);
  return { ...fields, size: { shortest_edge: resized }, do_center_crop: true, crop_size: square };
}

const edgeOf = (size: PreprocessorFields["size"]): number | undefined =>
  typeof size === "object" && !Array.isArray(size) ? (size.shortest_edge ?? undefined) : undefined;

function resizeRule(fields: PreprocessorFields & { isSquare: boolean }, where: string): SizeRule {
  const { size, max_size: maxSize, isSquare } = fields;
  if (typeof size === "number" && !isSquare) return edgeRule(size, maxSize, where);
  if (typeof size !== "object" || Array.isArray(size)) return exactSize(size!, "size", where);
  const { shortest_edge: shortest, longest_edge: longest, height, width } = size;
  if (shortest == null && longest == null) return exactSize(size, "size", where);
  if (shortest != null && height === undefined && width === undefined) {
    return edgeRule(shortest, longest ?? maxSize, where);
  }
  throw badSize("size", size, where);
}

function edgeRule(shortestEdge: number, longestEdge: number | undefined, where: string): SizeRule {
  if (longestEdge === undefined) return { shortestEdge };
  if (longestEdge > shortestEdge) return { shortestEdge, longestEdge };
  throw new ConfigError(
    `${where}: size.longest_edge must be greater than shortest_edge ${shortestEdge}, got ${longestEdge}`,
  );
}

/** A height and a width, or a number for both. */
function exactSize(size: GivenSize, field: string, where: string): Size {
  if (typeof size === "number") return { height: size, width: size };
  if (Array.isArray(size)) return { height: size[0], width: size[1] };
  const { height, width, shortest_edge: shortest, longest_edge: longest } = size;
  if (height === undefined || width === undefined || shortest != null || longest != null) {
    throw badSize(field, size, where);
  }
  return { height, width };
}

function badSize(field: string, size: GivenSize, where: string): ConfigError {
  const edges = field === "size" ? ", or {shortest_edge} with or without longest_edge" : "";
  return new ConfigError(`${where}: ${field} must be a number or {height, width}${edges}, got ${show(size)}`);
}

const show = (value: unknown): string => JSON.stringify(value) ?? "nothing";

function cropOf(fields: PreprocessorFields, where: string): Size | undefined {
  const { do_center_crop: isCropped, crop_size: size } = fields;
  if (!isCropped) return undefined;
  if (size !== undefined) return exactSize(size, "crop_size", where);
  throw new ConfigError(`${where}: do_center_crop needs crop_size, got none`);
}

function filterOf({ resample = -1 }: PreprocessorFields, where: string): Resample {
  const name = resampleNames[resample];
  if (name) return name;
  const known = resampleNames.map((filter, number) => `${number} ${filter}`).join(", ");
  throw new ConfigError(`${where}: resample must be one of ${known}, got ${resample}`);
}

function normalization(fields: PreprocessorFields, where: string): PreprocessPlan["normalize"] {
  const { image_mean: mean, image_std: std } = fields;
  if (mean === undefined || std === undefined) {
    throw new ConfigError(
      `${where}: do_normalize needs image_mean and image_std, got ${show({ mean, std })}`,
    );
  }
  const [means, deviations] = [mean, std].map((value) =>
    typeof value === "number" ? [value, value, value] : value,
  );
  if (deviations!.some((value) => value === 0)) {
    throw new ConfigError(`${where}: image_std must not hold 0, got ${show(std)}`);
  }
  return { mean: means!, std: deviations! };
}
